//! The score interval of a proportion (Wilson 1927, doi:10.1080/01621459.1927.10502953). It treats
//! cases as independent, so it is used only where the bootstrap over patients gives no interval.

/// The 97.5 % quantile of the normal distribution.
pub const Z_95: f64 = 1.959_963_984_540_054;

/// The 95 % interval of `part` of `whole`; `None` if `whole` is 0.
pub fn wilson(part: f64, whole: f64) -> Option<(f64, f64)> {
    wilson_at(part, whole, Z_95)
}

/// The interval between the normal distribution's ±`z`.
pub fn wilson_at(part: f64, whole: f64, z: f64) -> Option<(f64, f64)> {
    if whole <= 0.0 {
        return None;
    }
    let (share, square) = (part / whole, z * z / whole);
    let middle = share + square / 2.0;
    let half = z * (share * (1.0 - share) / whole + square / (4.0 * whole)).sqrt();
    let bound = |value: f64| (value / (1.0 + square)).clamp(0.0, 1.0);
    Some((bound(middle - half), bound(middle + half)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Newcombe 1998 (doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E), table
    /// I, method 3.
    #[test]
    fn known_answers() {
        for (part, whole, low, high) in [
            (81.0, 263.0, 0.2553, 0.3662),
            (15.0, 148.0, 0.0624, 0.1605),
            (0.0, 20.0, 0.0, 0.1611),
            (1.0, 29.0, 0.0061, 0.1718),
        ] {
            let (a, b) = wilson(part, whole).unwrap();
            assert!((a - low).abs() < 5e-5 && (b - high).abs() < 5e-5, "{a} {b}");
        }
        assert_eq!(wilson(0.0, 0.0), None);
    }
}
