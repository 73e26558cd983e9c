// An array that grows on AssemblyScript's heap.
export function run(n: i32): i32 {
  let squares = new Array<i32>();
  for (let i = 0; i < n; i++) squares.push(i * i);
  let sum = 0;
  for (let i = 0; i < squares.length; i++) sum += squares[i];
  return sum;
}
