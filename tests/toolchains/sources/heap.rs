// A Vec on Rust's own heap.
#[no_mangle]
pub extern "C" fn run(n: i32) -> i32 {
    let squares: Vec<i32> = (0..n).map(|x| x * x).collect();
    squares.iter().sum()
}
