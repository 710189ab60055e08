use super::*;

/// Areas of the study of Van Dyke and others 1993 (five readers, 114 patients, two kinds of magnetic resonance
/// imaging), as MRMCaov prints them.
const AREAS: [f64; 10] = [
    0.9196457, 0.8587762, 0.9038647, 0.9731079, 0.8297907, 0.9478261, 0.9053140, 0.9217391,
    0.9993559, 0.9299517,
];

/// With the mean covariances that MRMCaov prints: error and Cov₂ of each mode, and Cov₁ and Cov₃.
fn van_dyke(error: [f64; 2], cov1: f64, cov2: [f64; 2], cov3: f64) -> MrmcEstimates {
    let covariance = CovarianceMatrix::new(10, |one, other| {
        match (one / 5 == other / 5, one % 5 == other % 5) {
            (true, true) => error[one / 5],
            (false, true) => cov1,
            (true, false) => cov2[one / 5],
            (false, false) => cov3,
        }
    });
    MrmcEstimates {
        modes: 2,
        readers: 5,
        values: AREAS.to_vec(),
        covariance,
    }
}

fn jackknife() -> MrmcEstimates {
    van_dyke(
        [0.0010141028, 0.0005904738],
        0.0003466137,
        [0.0004839618, 0.0002041879],
        0.0002390284,
    )
}

/// What is printed has seven digits.
fn close(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() < 5e-6 * expected.abs().max(0.01),
        "{found} {expected}"
    );
}

fn check_difference(analysis: &OrAnalysis, (error, low, high): (f64, f64, f64)) {
    let found = analysis.differences.as_ref().unwrap()[0];
    close(found.value, -0.04380032);
    close(found.standard_error, error);
    close(found.interval.0, low);
    close(found.interval.1, high);
    close(found.p, analysis.test.as_ref().unwrap().p);
}

fn check_means(analysis: &OrAnalysis, expected: [(f64, Option<f64>, f64, f64); 2]) {
    for (found, (error, df, low, high)) in analysis.means.as_ref().unwrap().iter().zip(expected) {
        close(found.standard_error, error);
        assert_eq!(found.df.is_some(), df.is_some());
        close(found.df.unwrap_or(0.0), df.unwrap_or(0.0));
        close(found.interval.0, low);
        close(found.interval.1, high);
    }
}

/// MRMCaov 0.3, user guide (<https://brian-j-smith.github.io/MRMCaov/using.html>): its tables for readers and cases
/// as random samples, by DeLong's covariances and by unbiased ones.
#[test]
fn random_readers_and_cases_are_as_published() {
    let random = |estimates: &MrmcEstimates| {
        obuchowski_rockette(estimates, FactorTypes::RandomReadersRandomCases).unwrap()
    };
    let error = [0.0007921325; 2];
    let found = random(&van_dyke(
        error,
        0.0003420090,
        [0.0004775239, 0.0002015292],
        0.0002358497,
    ));
    let components = found.components;
    close(components.mean_squares.mode.unwrap(), 0.004796171);
    close(
        components.mean_squares.mode_by_reader.unwrap(),
        0.0005510306,
    );
    close(components.reader.unwrap(), 0.0015364254);
    close(components.mode_by_reader.unwrap(), 0.0002045840);
    close(components.cov2, 0.0003395265);
    let test = found.test.unwrap();
    close(test.statistic, 4.484854);
    close(test.df2.unwrap(), 15.06611);
    close(test.p, 0.05123303);
    check_difference(&found, (0.0206825, -0.0878671960, 0.0002665519));
    check_means(
        &found,
        [
            (0.03307642, Some(12.59597), 0.8253461, 0.9687280),
            (0.02150464, Some(12.56530), 0.8942155, 0.9874592),
        ],
    );
    let error = [0.0007883925; 2];
    let found = random(&van_dyke(
        error,
        0.0003416706,
        [0.0004771788, 0.0002009512],
        0.0002356148,
    ));
    let test = found.test.unwrap();
    close(test.statistic, 4.489614);
    close(test.df2.unwrap(), 15.03418);
    close(test.p, 0.0511618);
}

/// The same, by the jackknife: for these readers, and for these cases.
#[test]
fn fixed_readers_and_fixed_cases_are_as_published() {
    let found = obuchowski_rockette(&jackknife(), FactorTypes::FixedReaders).unwrap();
    let test = found.test.unwrap();
    close(test.statistic, 5.475953);
    assert_eq!(test.df2, None);
    close(test.p, 0.01927984);
    close(found.components.error, 0.0008022883);
    check_difference(&found, (0.01871748, -0.08048591, -0.00711473));
    check_means(
        &found,
        [
            (0.02428971, None, 0.8494301, 0.9446440),
            (0.01677632, None, 0.9079564, 0.9737183),
        ],
    );
    let found = obuchowski_rockette(&jackknife(), FactorTypes::FixedCases).unwrap();
    let test = found.test.unwrap();
    close(test.statistic, 8.704);
    close(test.p, 0.04195875);
    check_difference(&found, (0.01484629, -0.08502022, -0.00258042));
    check_means(
        &found,
        [
            (0.02482994, Some(4.0), 0.8280981, 0.9659760),
            (0.01615303, Some(4.0), 0.8959894, 0.9856854),
        ],
    );
}

/// Cases nested within readers: no covariance but Cov₁.
#[test]
fn a_nested_design_is_as_published() {
    let estimates = van_dyke([0.0008079682; 2], 0.0003490676, [0.0; 2], 0.0);
    let found = obuchowski_rockette(&estimates, FactorTypes::RandomReadersRandomCases).unwrap();
    close(found.components.reader.unwrap(), 1.293517e-3);
    close(found.components.mode_by_reader.unwrap(), 9.213005e-5);
    let test = found.test.unwrap();
    close(test.statistic, 8.704);
    close(test.df2.unwrap(), 4.0);
}

#[test]
fn undefined_results_have_a_reason() {
    let one_reader = MrmcEstimates {
        modes: 2,
        readers: 1,
        values: vec![0.8, 0.9],
        covariance: CovarianceMatrix::new(2, |one, other| if one == other { 0.002 } else { 0.001 }),
    };
    let found = obuchowski_rockette(&one_reader, FactorTypes::RandomReadersRandomCases).unwrap();
    assert_eq!(found.test, Err(Undefined::OneReader));
    assert_eq!(found.means, Err(Undefined::OneReader));
    assert_eq!(
        (found.components.reader, found.components.mode_by_reader),
        (None, None)
    );
    // These readers are one, and its modes can be compared.
    let found = obuchowski_rockette(&one_reader, FactorTypes::FixedReaders).unwrap();
    close(found.test.unwrap().statistic, 0.01 / 0.002);
    let one_mode = MrmcEstimates {
        modes: 1,
        readers: 2,
        ..one_reader.clone()
    };
    let found = obuchowski_rockette(&one_mode, FactorTypes::RandomReadersRandomCases).unwrap();
    assert_eq!(found.test, Err(Undefined::OneMode));
    assert!(found.means.is_ok());
    let alike = MrmcEstimates {
        modes: 2,
        readers: 2,
        values: vec![0.8; 4],
        covariance: CovarianceMatrix::new(4, |_, _| 0.0),
    };
    let found = obuchowski_rockette(&alike, FactorTypes::RandomReadersRandomCases).unwrap();
    assert_eq!(found.test, Err(Undefined::NoVariance));
    let none = MrmcEstimates {
        readers: 0,
        values: vec![],
        covariance: CovarianceMatrix::new(0, |_, _| 0.0),
        ..alike
    };
    assert_eq!(
        obuchowski_rockette(&none, FactorTypes::FixedReaders).unwrap_err(),
        Undefined::NoReader
    );
}

/// Readers of different skill whom the second mode helps alike. Rounding leaves 1e-33 of their interaction, and so 1e60
/// degrees of freedom: what is left are those of the normal distribution, which have no number.
#[test]
fn readers_who_differ_by_rounding_alone_have_the_normal_distribution() {
    let values = vec![0.6, 0.7, 0.35, 0.7, 0.8, 0.45];
    let covariance = CovarianceMatrix::new(6, |one, other| {
        match (one / 3 == other / 3, one % 3 == other % 3) {
            (true, true) => 0.01,
            (false, true) => 0.004,
            (true, false) => 0.003,
            (false, false) => 0.001,
        }
    });
    let alike = |values: Vec<f64>| MrmcEstimates {
        modes: 2,
        readers: 3,
        values,
        covariance: covariance.clone(),
    };
    let random = |of: &MrmcEstimates| {
        obuchowski_rockette(of, FactorTypes::RandomReadersRandomCases).unwrap()
    };
    let analysis = random(&alike(values));
    let interaction = analysis.components.mean_squares.mode_by_reader.unwrap();
    assert!(interaction > 0.0 && interaction < 1e-30, "{interaction:e}");
    let found = analysis.differences.as_ref().unwrap()[0];
    let error = (2.0 / 3.0 * 3.0 * (0.003_f64 - 0.001)).sqrt();
    close(found.standard_error, error);
    assert_eq!(found.df, Some(f64::INFINITY));
    close(found.interval.0, -0.1 - 1.959964 * error);
    close(found.interval.1, -0.1 + 1.959964 * error);
    close(found.p, normal_two_sided(0.1 / error));
    close(analysis.test.as_ref().unwrap().p, found.p);
    // Readers of equal figures: the same of the mean of one mode.
    let analysis = random(&alike(vec![0.1, 0.1, 0.1, 0.7, 0.8, 0.45]));
    let mean = analysis.means.as_ref().unwrap()[0];
    close(mean.value, 0.1);
    assert_eq!(mean.df, Some(f64::INFINITY));
    close(mean.interval.1, 0.1 + 1.959964 * 0.003_f64.sqrt());
}

/// Cov₂ below Cov₃: for fixed readers the test is that of the variance of the difference, whose covariances are summed up here one
/// by one. MRMCaov and RJafroc have no max there.
#[test]
fn fixed_readers_have_the_variance_of_the_difference_also_where_cov2_is_below_cov3() {
    let readers = 3;
    let covariance = CovarianceMatrix::new(6, |one, other| {
        match (
            one / readers == other / readers,
            one % readers == other % readers,
        ) {
            (true, true) => 0.01,
            (false, true) => 0.004,
            (true, false) => 0.001,
            (false, false) => 0.002,
        }
    });
    let weight = |cell: usize| if cell < readers { 1.0 } else { -1.0 } / readers as f64;
    let pairs = (0..6).flat_map(|one| (0..6).map(move |other| (one, other)));
    let variance: f64 = pairs
        .map(|(one, other)| weight(one) * weight(other) * covariance.at(one, other))
        .sum();
    let estimates = MrmcEstimates {
        modes: 2,
        readers,
        values: vec![0.8, 0.7, 0.9, 0.7, 0.75, 0.8],
        covariance,
    };
    let found = obuchowski_rockette(&estimates, FactorTypes::FixedReaders).unwrap();
    let difference = found.differences.unwrap()[0];
    assert!((difference.standard_error - variance.sqrt()).abs() < 1e-12);
    let with_max = (2.0 / 3.0 * (0.01 - 0.004_f64)).sqrt();
    assert!(difference.standard_error < 0.9 * with_max);
}
