// No heap.
export function run(n: i32): i32 {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += i * i;
  return sum;
}
