;; A memory that is exported with a maximum grows, whoever asks for it; all who have it see that.
(module $owner
  (memory (export "memory") 1 4)
  (data (i32.const 100) "\2a")
  (func (export "at") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "pages") (result i32) (memory.size)))
(register "owner" $owner)

(module $grower
  (memory (import "owner" "memory") 1 6)
  (export "again" (memory 0))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "put") (param i32 i32) (i32.store8 (local.get 0) (local.get 1))))
(register "grower" $grower)

(assert_trap (invoke $owner "at" (i32.const 65536)) "out of bounds memory access")
(assert_return (invoke $grower "grow" (i32.const 2)) (i32.const 1))
(assert_return (invoke $owner "pages") (i32.const 3))
(assert_return (invoke $owner "at" (i32.const 100)) (i32.const 42))
(assert_return (invoke $owner "at" (i32.const 196607)) (i32.const 0))
(assert_return (invoke $grower "put" (i32.const 196607) (i32.const 9)))
(assert_return (invoke $owner "at" (i32.const 196607)) (i32.const 9))
(assert_return (invoke $grower "grow" (i32.const 2)) (i32.const -1))

;; what is exported again is the same memory, as large as it is now
(module $third
  (memory (import "grower" "again") 3 4)
  (func (export "at") (param i32) (result i32) (i32.load8_u (local.get 0))))
(assert_return (invoke $third "at" (i32.const 196607)) (i32.const 9))
(assert_unlinkable (module (import "grower" "again" (memory 4))) "incompatible import type")
(assert_unlinkable (module (import "grower" "again" (memory 1 3))) "incompatible import type")
