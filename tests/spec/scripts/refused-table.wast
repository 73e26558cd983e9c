;; A table that cannot be linked leaves nothing behind that is given back later.
(assert_unlinkable (module (import "spectest" "table" (table 12 funcref))) "incompatible import type")
(assert_unlinkable
  (module (import "spectest" "table" (table 10 funcref)) (import "spectest" "table" (table 10 15 funcref)))
  "incompatible import type")
(module (import "spectest" "table" (table 10 funcref)) (table 3 funcref) (elem (i32.const 0) $f) (func $f))
