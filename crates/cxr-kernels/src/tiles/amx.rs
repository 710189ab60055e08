//! Tiles by the instructions of AMX. The compiler keeps its names for them to itself, so that they are written as
//! assembly, which needs no feature to be switched on. The compiler never uses these registers itself.

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use std::marker::PhantomData;

use super::TileRegisters;

/// The registers of this thread.
pub struct Amx(PhantomData<*mut ()>);

/// What `LDTILECFG` reads: palette 1, and all eight tiles of 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

static FULL_TILES: Configuration = Configuration {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// `AMX-BF16` and `AMX-TILE` in EDX of leaf 7.
const LEAF_7_EDX: u32 = 1 << 22 | 1 << 24;
/// `OSXSAVE` in ECX of leaf 1.
const LEAF_1_ECX: u32 = 1 << 27;
/// The state of tiles in XCR0: their configuration and their data.
const XCR0: u64 = 1 << 17 | 1 << 18;
/// `ARCH_REQ_XCOMP_PERM` of arch_prctl(2), and the state that it asks for.
const REQUEST: (usize, usize) = (0x1023, 18);
const ARCH_PRCTL: usize = 158;

/// Whether the processor has tiles, and the system lets this process use them. Linux gives them to a process that asks.
pub fn is_permitted() -> bool {
    has_instructions() && is_kept_by_system() && ask_for_permission()
}

fn has_instructions() -> bool {
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & LEAF_7_EDX == LEAF_7_EDX
}

/// Whether the system keeps the registers when it changes threads.
fn is_kept_by_system() -> bool {
    #[target_feature(enable = "xsave")]
    fn enabled() -> u64 {
        // SAFETY: the function has the instruction.
        unsafe { _xgetbv(0) }
    }
    // SAFETY: OSXSAVE says that the instruction is there.
    __cpuid(1).ecx & LEAF_1_ECX != 0 && unsafe { enabled() } & XCR0 == XCR0
}

fn ask_for_permission() -> bool {
    let mut answer = ARCH_PRCTL;
    // SAFETY: the call changes nothing but what this process may use; it overwrites the registers that are named.
    unsafe {
        asm!(
            "syscall",
            inout("rax") answer,
            in("rdi") REQUEST.0,
            in("rsi") REQUEST.1,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    answer == 0
}

impl TileRegisters for Amx {
    #[inline(always)]
    unsafe fn new() -> Self {
        // SAFETY: the caller vouches for the processor; the configuration is a valid one.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const FULL_TILES, options(nostack, preserves_flags, readonly));
        }
        Amx(PhantomData)
    }

    #[inline(always)]
    unsafe fn zero<const T: usize>(&mut self) {
        // SAFETY: the caller vouches for the processor, and the registers are set up.
        unsafe { asm!("tilezero tmm{}", const T, options(nostack, preserves_flags, nomem)) };
    }

    #[inline(always)]
    unsafe fn load<const T: usize>(&mut self, from: *const u16, row: usize) {
        // SAFETY: as above, and the caller's pointer is valid for whole rows.
        unsafe {
            asm!(
                "tileloadd tmm{}, [{} + {}*1]",
                const T, in(reg) from, in(reg) row * size_of::<u16>(),
                options(nostack, preserves_flags, readonly),
            );
        }
    }

    #[inline(always)]
    unsafe fn multiply<const S: usize, const A: usize, const B: usize>(&mut self) {
        // SAFETY: the caller vouches for the processor, and the registers are set up.
        unsafe {
            asm!(
                "tdpbf16ps tmm{}, tmm{}, tmm{}",
                const S, const A, const B,
                options(nostack, preserves_flags, nomem),
            );
        }
    }

    #[inline(always)]
    unsafe fn store<const T: usize>(&self, to: *mut f32, row: usize) {
        // SAFETY: as above, and the caller's pointer is valid for whole rows.
        unsafe {
            asm!(
                "tilestored [{} + {}*1], tmm{}",
                in(reg) to, in(reg) row * size_of::<f32>(), const T,
                options(nostack, preserves_flags),
            );
        }
    }
}

impl Drop for Amx {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the registers were set up. Without this, every change of threads would save 8 KiB.
        unsafe { asm!("tilerelease", options(nostack, preserves_flags, nomem)) };
    }
}
