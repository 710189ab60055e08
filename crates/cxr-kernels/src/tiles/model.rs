//! Tiles in plain Rust, number by number as the instructions are described in Intel's *Instruction Set Reference*.

use super::{COLUMNS, DEPTH, ROWS, TileRegisters};

/// The words of a register: 16 rows of 64 bytes.
type Register = [[u32; COLUMNS]; ROWS];

/// Eight registers in memory.
pub struct Model(Box<[Register; 8]>);

impl TileRegisters for Model {
    unsafe fn new() -> Self {
        Model(Box::new([[[0; COLUMNS]; ROWS]; 8]))
    }

    unsafe fn zero<const T: usize>(&mut self) {
        self.0[T] = [[0; COLUMNS]; ROWS];
    }

    unsafe fn load<const T: usize>(&mut self, from: *const u16, row: usize) {
        for (n, words) in self.0[T].iter_mut().enumerate() {
            let from = from.wrapping_add(n * row).cast::<[u32; COLUMNS]>();
            // SAFETY: the caller's pointer is valid for whole rows.
            *words = unsafe { from.read_unaligned() };
        }
    }

    unsafe fn multiply<const S: usize, const A: usize, const B: usize>(&mut self) {
        let (inputs, weights) = (self.0[A], self.0[B]);
        for (inputs, sums) in inputs.iter().zip(&mut self.0[S]) {
            let products = row_products(inputs, &weights);
            for (sum, [even, odd]) in sums.iter_mut().zip(products) {
                *sum = flushed(f32::from_bits(*sum) + flushed(even + odd)).to_bits();
            }
        }
    }

    unsafe fn store<const T: usize>(&self, to: *mut f32, row: usize) {
        for (n, words) in self.0[T].iter().enumerate() {
            let to = to.wrapping_add(n * row).cast::<[u32; COLUMNS]>();
            // SAFETY: the caller's pointer is valid for whole rows.
            unsafe { to.write_unaligned(*words) };
        }
    }
}

/// The products of one row of inputs with each column of weights, those of even inputs and of odd ones apart.
fn row_products(inputs: &[u32; COLUMNS], weights: &Register) -> [[f32; 2]; COLUMNS] {
    let mut sums = [[0.0_f32; 2]; COLUMNS];
    for (input, weights) in inputs.iter().zip(weights) {
        let [low, high] = halves(*input);
        for (sums, weight) in sums.iter_mut().zip(weights) {
            let weight = halves(*weight);
            // A product of two numbers of 8 bits is exact, so that this is one rounding, as in the instruction.
            sums[0] = flushed(low * weight[0] + sums[0]);
            sums[1] = flushed(high * weight[1] + sums[1]);
        }
    }
    sums
}

/// Both `bf16` numbers of a word. Subnormal numbers are taken for zero.
fn halves(word: u32) -> [f32; 2] {
    [word << 16, word & 0xffff_0000].map(|bits| flushed(f32::from_bits(bits)))
}

/// Zero in place of a subnormal number.
fn flushed(value: f32) -> f32 {
    if value.abs() < f32::MIN_POSITIVE {
        0.0_f32.copysign(value)
    } else {
        value
    }
}

const _: () = assert!(2 * COLUMNS == DEPTH && ROWS == DEPTH / 2);
