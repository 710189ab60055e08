//! Distributions that tests and intervals need: normal, Student's t, F (central and not), χ² and binomial.
//! All follow from the regularised incomplete beta and gamma functions, by continued fraction and series (DLMF
//! 8.17.22 and 8.11, <https://dlmf.nist.gov>). Degrees of freedom need not be whole, and may be infinite.

use std::f64::consts::SQRT_2;

/// Steps of a series or continued fraction; a million degrees of freedom need some thousand.
const STEPS: usize = 100_000;
/// A step this small relative to the sum ends it.
const CLOSE: f64 = 1e-16;
/// Above these degrees of freedom Student's distribution is taken for the normal one, and F for χ². They differ by less
/// than 1e-6 there, and the beta function of larger numbers loses more than that: it cannot tell 1e20 from 1e20 + t².
pub const LARGE_DF: f64 = 1e7;
/// Halvings of an interval: more than a double has bits.
const HALVINGS: usize = 200;

/// P(Z ≤ z) of the standard normal distribution.
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z / SQRT_2)
}

/// P(|Z| ≥ |z|).
pub fn normal_two_sided(z: f64) -> f64 {
    libm::erfc(z.abs() / SQRT_2)
}

/// The z with P(Z ≤ z) = `share`, which lies between 0 and 1.
pub fn normal_quantile(share: f64) -> f64 {
    if share < 0.5 {
        return -normal_quantile(1.0 - share);
    }
    falling_root(2.0 * (1.0 - share), 40.0, normal_two_sided)
}

/// P(|T| ≥ |t|) of Student's distribution with `df` degrees of freedom.
pub fn student_two_sided(t: f64, df: f64) -> f64 {
    match df > LARGE_DF {
        true => normal_two_sided(t),
        false => beta_regularised(df / (df + t * t), df / 2.0, 0.5),
    }
}

/// The t with P(T ≤ t) = `share`, from 0.5 to 1.
pub fn student_quantile(share: f64, df: f64) -> f64 {
    falling_root(2.0 * (1.0 - share), 1e12, |t| student_two_sided(t, df))
}

/// P(F ≥ f) with `df1` and `df2` degrees of freedom.
pub fn f_upper(f: f64, df1: f64, df2: f64) -> f64 {
    match df2 > LARGE_DF {
        true => chi_squared_upper(df1 * f, df1),
        false => beta_regularised(df2 / (df2 + df1 * f), df2 / 2.0, df1 / 2.0),
    }
}

/// The f with P(F ≤ f) = `share`.
pub fn f_quantile(share: f64, df1: f64, df2: f64) -> f64 {
    falling_root(1.0 - share, 1e12, |f| f_upper(f, df1, df2))
}

/// P(F ≥ f) of the non-central F distribution: F distributions in the mixture that Poisson's distribution
/// with mean `noncentrality` / 2 gives (Johnson, Kotz and Balakrishnan 1995, chapter 30). It takes some 20 times the root
/// of that mean many terms: a caller bounds it.
pub fn noncentral_f_upper(f: f64, df1: f64, df2: f64, noncentrality: f64) -> f64 {
    let half = noncentrality / 2.0;
    let x = df2 / (df2 + df1 * f);
    // Ten standard deviations around the mean hold all but 1e-20.
    let width = 10.0 * half.sqrt() + 40.0;
    let first = (half - width).max(0.0) as usize;
    let terms = first..=(half + width) as usize;
    terms
        .map(|k| {
            let k = k as f64;
            let logarithm = if half > 0.0 { k * half.ln() } else { 0.0 };
            let weight = (logarithm - half - libm::lgamma(k + 1.0)).exp();
            let weight = if half > 0.0 || k == 0.0 { weight } else { 0.0 };
            weight * beta_regularised(x, df2 / 2.0, df1 / 2.0 + k)
        })
        .sum()
}

/// P(X ≥ x) of the χ² distribution.
pub fn chi_squared_upper(x: f64, df: f64) -> f64 {
    gamma_upper(df / 2.0, x / 2.0)
}

/// P(X ≤ k) where each of n trials succeeds with probability `share`.
pub fn binomial_cdf(k: usize, n: usize, share: f64) -> f64 {
    match k >= n {
        true => 1.0,
        false => beta_regularised(1.0 - share, (n - k) as f64, k as f64 + 1.0),
    }
}

/// P(X = k) of the same.
pub fn binomial_probability(k: usize, n: usize, share: f64) -> f64 {
    if k > n {
        return 0.0;
    }
    let factorial = |of: usize| libm::lgamma(of as f64 + 1.0);
    let times = |count: usize, share: f64| match count {
        0 => 0.0,
        count => count as f64 * share.ln(),
    };
    let ways = factorial(n) - factorial(k) - factorial(n - k);
    (ways + times(k, share) + times(n - k, 1.0 - share)).exp()
}

/// The x with I_x(a, b) = `share`: the quantile of Beta(a, b).
pub fn beta_quantile(share: f64, a: f64, b: f64) -> f64 {
    falling_root(1.0 - share, 1.0, |x| 1.0 - beta_regularised(x, a, b))
}

/// I_x(a, b), the share of Beta(a, b) below `x`.
pub fn beta_regularised(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    // The fraction converges fast on this side of the mean.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_regularised_below(1.0 - x, b, a);
    }
    beta_regularised_below(x, a, b)
}

fn beta_regularised_below(x: f64, a: f64, b: f64) -> f64 {
    let logarithm =
        libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * x.ln() + b * (-x).ln_1p();
    let coefficient = |step: usize| {
        let m = (step / 2) as f64;
        match step % 2 {
            0 => m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)),
            _ => -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)),
        }
    };
    logarithm.exp() / a * continued_fraction(coefficient)
}

/// 1 / (1 + c₁ / (1 + c₂ / (1 + …))), by Lentz's method.
fn continued_fraction(coefficient: impl Fn(usize) -> f64) -> f64 {
    let away_from_zero = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let (mut c, mut d) = (1.0, away_from_zero(1.0 + coefficient(1)).recip());
    let mut value = d;
    for step in 2..STEPS {
        let next = coefficient(step);
        d = away_from_zero(1.0 + next * d).recip();
        c = away_from_zero(1.0 + next / c);
        value *= c * d;
        if (c * d - 1.0).abs() < CLOSE {
            break;
        }
    }
    value
}

/// Q(a, x), the share of the gamma distribution with shape `a` above `x`.
fn gamma_upper(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let scale = (a * x.ln() - x - libm::lgamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum) = (1.0 / a, 1.0 / a);
        for step in 1..STEPS {
            term *= x / (a + step as f64);
            sum += term;
            if term < sum * CLOSE {
                break;
            }
        }
        return 1.0 - scale * sum;
    }
    // x + 1 − a − 1(1−a)/(x + 3 − a − 2(2−a)/(x + 5 − a − …)), from its end.
    let mut rest = 0.0;
    for step in (1..2000).rev() {
        let n = step as f64;
        rest = n * (n - a) / (x + 2.0 * n + 1.0 - a - rest);
    }
    scale / (x + 1.0 - a - rest)
}

/// Where a falling function of numbers from 0 to `end` has this value.
fn falling_root(value: f64, end: f64, function: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, end);
    for _ in 0..HALVINGS {
        let middle = (low + high) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if function(middle) > value {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        let scale = expected.abs().max(1e-3);
        assert!(
            (found - expected).abs() < 1e-9 * scale,
            "{found:e} {expected:e}"
        );
    }

    /// SciPy 1.17.1: norm, t, f, chi2, binom, beta and ncf (f where the non-centrality is 0).
    #[test]
    fn known_answers() {
        close(normal_cdf(-1.0), 0.158655253931457);
        close(normal_quantile(0.975), 1.959963984540054);
        close(normal_quantile(0.001), -3.090232306167813);
        for (t, df, p) in T {
            close(student_two_sided(t, df), p);
            close(student_quantile(1.0 - p / 2.0, df), t);
        }
        for (f, df1, df2, p) in F {
            close(f_upper(f, df1, df2), p);
            close(f_quantile(1.0 - p, df1, df2), f);
        }
        for (x, df, p) in CHI2 {
            close(chi_squared_upper(x, df), p);
        }
        for (k, n, share, below, at) in BINOMIAL {
            close(binomial_cdf(k, n, share), below);
            close(binomial_probability(k, n, share), at);
        }
        for (f, df1, df2, noncentrality, p) in NONCENTRAL {
            close(noncentral_f_upper(f, df1, df2, noncentrality), p);
        }
        close(beta_quantile(0.025, 18.0, 3.0), BETA);
    }

    #[test]
    fn infinite_degrees_of_freedom_are_the_normal_distribution() {
        close(student_two_sided(1.5, f64::INFINITY), normal_two_sided(1.5));
        close(f_upper(2.25, 1.0, f64::INFINITY), normal_two_sided(1.5));
        close(student_quantile(0.975, 1e7), 1.959964221);
    }

    /// A variance that is all but 0 makes degrees of freedom beyond what the beta function can tell from each other.
    #[test]
    fn huge_degrees_of_freedom_are_the_normal_distribution_too() {
        for df in [1e9, 1e12, 1e16, 1e20, 1e60, f64::MAX] {
            let near = |found: f64, expected: f64| {
                assert!(
                    (found / expected - 1.0).abs() < 1e-6,
                    "{df:e}: {found} {expected}"
                );
            };
            near(student_two_sided(1.5, df), normal_two_sided(1.5));
            near(student_quantile(0.975, df), normal_quantile(0.975));
            near(f_upper(2.25, 1.0, df), normal_two_sided(1.5));
            near(f_quantile(0.95, 1.0, df), normal_quantile(0.975).powi(2));
        }
    }

    const T: [(f64, f64, f64); 5] = [
        (2.1, 4.0, 0.10365328631760218),
        (0.3, 15.06611, 0.7682766522113038),
        (3.5, 1.5, 0.10822595498965777),
        (1.96, 100000.0, 0.04999856319430168),
        (5.0, 30.0, 2.32966854670078e-05),
    ];
    const F: [(f64, f64, f64, f64); 4] = [
        (4.484854, 1.0, 15.06611, 0.05123303576804349),
        (0.4, 2.0, 7.5, 0.6838122731582676),
        (8.704, 1.0, 4.0, 0.0419587524946387),
        (3.2, 5.0, 60.0, 0.012583722520782081),
    ];
    const CHI2: [(f64, f64, f64); 4] = [
        (5.475953, 1.0, 0.019279845745379668),
        (0.3, 2.0, 0.8607079764250578),
        (12.0, 5.0, 0.03478778050624185),
        (40.0, 30.0, 0.10486428110798468),
    ];
    const BINOMIAL: [(usize, usize, f64, f64, f64); 4] = [
        (3, 10, 0.5, 0.171875, 0.1171875),
        (0, 7, 0.5, 0.0078125, 0.007812499999999949),
        (40, 100, 0.35, 0.87497720012894, 0.047392204380188895),
        (10, 10, 0.2, 1.0, 1.0240000000000006e-07),
    ];
    const NONCENTRAL: [(f64, f64, f64, f64, f64); 4] = [
        (4.0, 1.0, 15.0, 8.0, 0.7911616155038267),
        (4.0, 1.0, 15.0, 0.0, 0.06394500728472015),
        (3.9, 1.0, 250.5, 60.0, 0.9999999955540303),
        (5.3, 1.0, 9.2, 2.5, 0.28124319946797266),
    ];
    const BETA: f64 = 0.6830172859809177;
}
