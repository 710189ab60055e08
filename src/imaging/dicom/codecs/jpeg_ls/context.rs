//! Contexts of JPEG-LS: what was learnt from the samples so far (T.87 annex A).

/// Statistics of a context (A.2, A.6).
#[derive(Clone, Copy)]
pub(super) struct Context {
    a: i64,
    b: i32,
    /// The correction of the prediction.
    pub c: i32,
    n: i32,
}

impl Context {
    pub fn new(a: i64) -> Context {
        Context {
            a,
            b: 0,
            c: 0,
            n: 1,
        }
    }

    /// The order of the Golomb code.
    pub fn order(self) -> u32 {
        order(self.a, self.n)
    }

    /// The prediction error of a code of order `k` (A.5.2).
    pub fn error(self, mapped: i32, k: u32, near: i32) -> i32 {
        let is_odd = mapped & 1 == 1;
        if near == 0 && k == 0 && 2 * self.b <= -self.n {
            if is_odd {
                (mapped - 1) / 2
            } else {
                -(mapped / 2) - 1
            }
        } else if is_odd {
            -((mapped + 1) / 2)
        } else {
            mapped / 2
        }
    }

    /// The context after a prediction error (A.6.1 and A.6.2).
    pub fn updated(mut self, error: i32, near: i32, reset: i32) -> Context {
        self.b += error * (2 * near + 1);
        self.a += i64::from(error.abs());
        if self.n == reset {
            self.a >>= 1;
            self.b >>= 1;
            self.n >>= 1;
        }
        self.n += 1;
        if self.b <= -self.n {
            self.b = (self.b + self.n).max(-self.n + 1);
            self.c = (self.c - 1).max(-128);
        } else if self.b > 0 {
            self.b = (self.b - self.n).min(0);
            self.c = (self.c + 1).min(127);
        }
        self
    }
}

/// Statistics of a context of run interruption (A.7.2). `kind` is 0 or 1, RItype of the
/// recommendation.
#[derive(Clone, Copy)]
pub(super) struct RunContext {
    a: i64,
    n: i32,
    nn: i32,
}

impl RunContext {
    pub fn new(a: i64) -> RunContext {
        RunContext { a, n: 1, nn: 0 }
    }

    /// The order of the Golomb code.
    pub fn order(self, kind: usize) -> u32 {
        let more = if kind == 1 { self.n >> 1 } else { 0 };
        order(self.a + i64::from(more), self.n)
    }

    /// The prediction error of a code of order `k` (A.7.2.2).
    pub fn error(self, mapped: i32, k: u32, kind: usize) -> i32 {
        let shifted = mapped + kind as i32;
        let size = (shifted + 1) / 2;
        let is_negative = (k != 0 || 2 * self.nn >= self.n) == (shifted & 1 == 1);
        if is_negative { -size } else { size }
    }

    /// The context after a prediction error (A.7.2.2).
    pub fn updated(mut self, error: i32, mapped: i32, kind: usize, reset: i32) -> RunContext {
        self.nn += i32::from(error < 0);
        self.a += i64::from((mapped + 1 - kind as i32) >> 1);
        if self.n == reset {
            self.a >>= 1;
            self.n >>= 1;
            self.nn >>= 1;
        }
        self.n += 1;
        self
    }
}

/// Order of the Golomb code (A.5.1).
fn order(a: i64, n: i32) -> u32 {
    (0..24).find(|&k| i64::from(n) << k >= a).unwrap_or(24)
}
