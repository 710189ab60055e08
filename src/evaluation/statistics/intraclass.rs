//! Intraclass correlations of single ratings on a scale, severity say, with their 95 % intervals.
//!
//! - Shrout and Fleiss 1979, *Intraclass correlations: uses in assessing rater reliability*
//!   (doi:10.1037/0033-2909.86.2.420): ICC(2,1), of raters as a random sample, and ICC(3,1), of these raters.
//! - McGraw and Wong 1996, *Forming inferences about some intraclass correlation coefficients*
//!   (doi:10.1037/1082-989X.1.1.30) call them ICC(A,1), absolute agreement, and ICC(C,1), consistency.

use super::Undefined;
use super::distributions::f_quantile;

/// Two correlations of one table, from −1/(raters − 1) to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct IntraclassCorrelations {
    /// ICC(2,1), ICC(A,1): a rater who says more than another disagrees.
    pub agreement: IntraclassCorrelation,
    /// ICC(3,1), ICC(C,1): such a difference is taken off.
    pub consistency: IntraclassCorrelation,
    /// Subjects that all raters rated, and those left out because one did not.
    pub subjects: usize,
    pub incomplete: usize,
    pub raters: usize,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IntraclassCorrelation {
    pub value: f64,
    /// 95 %; `None` where the raters agree wholly.
    pub interval: Option<(f64, f64)>,
}

/// From a row for each subject, with a rating of each rater.
pub fn intraclass_correlations(
    rows: &[Vec<Option<f64>>],
) -> Result<IntraclassCorrelations, Undefined> {
    let whole: Vec<Vec<f64>> = rows
        .iter()
        .filter_map(|row| row.iter().copied().collect())
        .collect();
    let raters = rows.first().map_or(0, Vec::len);
    if whole.len() < 2 {
        return Err(Undefined::FewCases);
    }
    if raters < 2 {
        return Err(Undefined::OneReader);
    }
    let squares = Squares::of(&whole);
    Ok(IntraclassCorrelations {
        agreement: squares.agreement()?,
        consistency: squares.consistency()?,
        subjects: whole.len(),
        incomplete: rows.len() - whole.len(),
        raters,
    })
}

/// The correlation of agreement of two raters, who rated all of these subjects, without its interval: a bootstrap makes
/// one. `None` where it is undefined.
pub fn agreement_of_two(pairs: &[(f64, f64)]) -> Option<f64> {
    if pairs.len() < 2 {
        return None;
    }
    let rows: Vec<Vec<f64>> = pairs
        .iter()
        .map(|(one, other)| vec![*one, *other])
        .collect();
    Squares::of(&rows).agreement_value().ok()
}

/// Mean squares of subjects, raters and rest, with their numbers.
struct Squares {
    subjects: f64,
    raters: f64,
    rest: f64,
    n: f64,
    k: f64,
}

impl Squares {
    fn of(rows: &[Vec<f64>]) -> Self {
        let (n, k) = (rows.len() as f64, rows[0].len() as f64);
        let of_subject: Vec<f64> = rows.iter().map(|row| row.iter().sum::<f64>() / k).collect();
        let of_rater: Vec<f64> = (0..rows[0].len())
            .map(|rater| rows.iter().map(|row| row[rater]).sum::<f64>() / n)
            .collect();
        let all = of_subject.iter().sum::<f64>() / n;
        let squares = |means: &[f64]| means.iter().map(|mean| (mean - all).powi(2)).sum::<f64>();
        let mut rest = 0.0;
        for (row, subject) in rows.iter().zip(&of_subject) {
            for (value, rater) in row.iter().zip(&of_rater) {
                rest += (value - subject - rater + all).powi(2);
            }
        }
        Squares {
            subjects: k * squares(&of_subject) / (n - 1.0),
            raters: n * squares(&of_rater) / (k - 1.0),
            rest: rest / ((n - 1.0) * (k - 1.0)),
            n,
            k,
        }
    }

    fn consistency(&self) -> Result<IntraclassCorrelation, Undefined> {
        let (k, whole) = (self.k, self.subjects + (self.k - 1.0) * self.rest);
        if whole <= 0.0 {
            return Err(Undefined::NoVariance);
        }
        let interval = (self.rest > 0.0).then(|| {
            let (df1, df2) = (self.n - 1.0, (self.n - 1.0) * (k - 1.0));
            let f = self.subjects / self.rest;
            let (low, high) = (
                f / f_quantile(0.975, df1, df2),
                f * f_quantile(0.975, df2, df1),
            );
            (
                (low - 1.0) / (low + k - 1.0),
                (high - 1.0) / (high + k - 1.0),
            )
        });
        Ok(IntraclassCorrelation {
            value: (self.subjects - self.rest) / whole,
            interval,
        })
    }

    fn agreement_value(&self) -> Result<f64, Undefined> {
        let (n, k) = (self.n, self.k);
        let whole = self.subjects + (k - 1.0) * self.rest + k * (self.raters - self.rest) / n;
        if whole <= 0.0 {
            return Err(Undefined::NoVariance);
        }
        Ok((self.subjects - self.rest) / whole)
    }

    fn agreement(&self) -> Result<IntraclassCorrelation, Undefined> {
        let (n, k) = (self.n, self.k);
        let value = self.agreement_value()?;
        let is_whole = self.rest <= 0.0 && self.raters <= 0.0;
        let interval = (!is_whole && value < 1.0).then(|| {
            let a = k * value / (n * (1.0 - value));
            let b = 1.0 + k * value * (n - 1.0) / (n * (1.0 - value));
            let df = (a * self.raters + b * self.rest).powi(2)
                / ((a * self.raters).powi(2) / (k - 1.0)
                    + (b * self.rest).powi(2) / ((n - 1.0) * (k - 1.0)));
            let others = k * self.raters + (k * n - k - n) * self.rest;
            let (f_low, f_high) = (
                f_quantile(0.975, n - 1.0, df),
                f_quantile(0.975, df, n - 1.0),
            );
            let low =
                n * (self.subjects - f_low * self.rest) / (f_low * others + n * self.subjects);
            let high =
                n * (f_high * self.subjects - self.rest) / (others + n * f_high * self.subjects);
            (low, high)
        });
        Ok(IntraclassCorrelation { value, interval })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[[f64; 4]]) -> Vec<Vec<Option<f64>>> {
        values
            .iter()
            .map(|row| row.iter().copied().map(Some).collect())
            .collect()
    }

    const ICC2: [f64; 3] = [0.289763779527559, 0.018786513374712, 0.761084369648953];
    const ICC3: [f64; 3] = [0.714840714840715, 0.342464765033925, 0.945858259955360];
    const SHROUT_FLEISS: [[f64; 4]; 6] = [
        [9.0, 2.0, 5.0, 8.0],
        [6.0, 1.0, 3.0, 2.0],
        [8.0, 4.0, 6.0, 8.0],
        [7.0, 1.0, 2.0, 6.0],
        [10.0, 5.0, 6.0, 9.0],
        [6.0, 2.0, 4.0, 7.0],
    ];

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }

    /// Shrout and Fleiss 1979, tables 2 and 4: 0.29 and 0.71. The further digits are those of psych 2.2.9's `ICC` in
    /// R 4.2.2.
    #[test]
    fn known_answers() {
        let mut table = rows(&SHROUT_FLEISS);
        table.push(vec![Some(1.0), None, Some(2.0), Some(3.0)]);
        let found = intraclass_correlations(&table).unwrap();
        assert_eq!((found.subjects, found.incomplete, found.raters), (6, 1, 4));
        let ([value, low, high], own) = (ICC2, found.agreement);
        close(own.value, value);
        close(own.interval.unwrap().0, low);
        close(own.interval.unwrap().1, high);
        let ([value, low, high], own) = (ICC3, found.consistency);
        close(own.value, value);
        close(own.interval.unwrap().0, low);
        close(own.interval.unwrap().1, high);
    }

    #[test]
    fn undefined_correlations_have_a_reason() {
        let reason = |rows: &[Vec<Option<f64>>]| intraclass_correlations(rows).unwrap_err();
        assert_eq!(reason(&[]), Undefined::FewCases);
        assert_eq!(reason(&rows(&SHROUT_FLEISS[..1])), Undefined::FewCases);
        assert_eq!(reason(&vec![vec![Some(1.0)]; 3]), Undefined::OneReader);
        assert_eq!(reason(&rows(&[[2.0; 4], [2.0; 4]])), Undefined::NoVariance);
        let perfect = intraclass_correlations(&rows(&[[1.0; 4], [2.0; 4], [4.0; 4]])).unwrap();
        assert_eq!(
            (perfect.agreement.value, perfect.agreement.interval),
            (1.0, None)
        );
        assert_eq!(
            (perfect.consistency.value, perfect.consistency.interval),
            (1.0, None)
        );
    }
}
