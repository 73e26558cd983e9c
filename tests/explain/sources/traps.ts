// kind: what it ends in, depth calls down.
let last: i32 = 3;
export let nothing: i32 = 0;

// @ts-ignore: decorator
@inline
function fetch(at: i32): i32 {
  return load<i32>(at);
}

function end(kind: i32, n: i32): i32 {
  if (kind == 0) unreachable();
  if (kind == 1) return fetch(-8 - n);
  if (kind == 2) return last / n;
  if (kind == 3) return last % n;
  if (kind == 4) return call_indirect<i32>(n + 1000, n);
  store<u8>(-1 - n, 0);
  return 0;
}

function step(kind: i32, depth: i32): i32 {
  if (depth == 0) return end(kind, nothing);
  last += depth;
  return step(kind, depth - 1) + last;
}

export function walk(kind: i32, depth: i32): i32 {
  return step(kind, depth) * 2;
}
