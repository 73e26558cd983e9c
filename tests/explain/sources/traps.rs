// kind: what it ends in, depth calls down. Divisions and indices that are wrong are panics in Rust.
#![no_std]

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}

static mut NUMBERS: [i32; 4] = [1, 2, 3, 4];
static mut NOTHING: i32 = 0;

#[inline(never)]
unsafe fn end(kind: i32, n: i32) -> i32 {
    match kind {
        0 => core::arch::wasm32::unreachable(),
        1 => core::ptr::read_volatile((-8 - n) as *const i32),
        2 => NUMBERS[(n & 3) as usize] / n,
        3 => NUMBERS[(n + 4) as usize],
        4 => core::mem::transmute::<usize, fn(i32) -> i32>((n + 1000) as usize)(n),
        _ => {
            core::ptr::write_volatile((-1 - n) as *mut u8, 0);
            0
        }
    }
}

unsafe fn step(kind: i32, depth: i32) -> i32 {
    if depth == 0 {
        end(kind, core::ptr::read_volatile(core::ptr::addr_of!(NOTHING)))
    } else {
        step(kind, depth - 1) + NUMBERS[(depth & 3) as usize]
    }
}

#[no_mangle]
pub unsafe extern "C" fn walk(kind: i32, depth: i32) -> i32 {
    step(kind, depth) * 2
}
