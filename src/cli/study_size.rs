//! `cxr study size`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Plan the size of a study: readers and cases for a power, or cases for an interval
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct StudySizeArguments {
    /// What is planned.
    #[command(subcommand)]
    pub action: StudySizeAction,
}

#[derive(Debug, Subcommand)]
pub enum StudySizeAction {
    Power(Box<PowerArguments>),
    Precision(PrecisionArguments),
    Validation(ValidationArguments),
}

/// Power to find a difference between the modes, for several numbers of readers and cases
///
/// Method: Hillis, Obuchowski and Berbaum 2011, from the components of variance of a pilot study: those of a report of
/// `cxr agreement --format json` (--pilot), those of a published study (--published), or numbers (--error-variance and so
/// on). The share of positive cases is that of the pilot. Estimates below 0 count as 0.
#[derive(Debug, Default, Args)]
pub struct PowerArguments {
    /// The difference between the modes that is to be found: 0.05, say
    #[arg(long, value_name = "D")]
    pub difference: f64,

    /// Report of a pilot study, from cxr agreement --format json
    #[arg(long, value_name = "FILE.json", group = "components")]
    pub pilot: Option<PathBuf>,

    /// The components of this published study
    #[arg(long, value_enum, value_name = "NAME", group = "components")]
    pub published: Option<PublishedArgument>,

    /// Error variance of the figure of one reader in one mode
    #[arg(
        long,
        value_name = "V",
        group = "components",
        requires_all = ["mode_by_reader", "cov1", "cov2", "cov3", "pilot_cases"]
    )]
    pub error_variance: Option<f64>,

    /// Variance of modes by readers
    #[arg(long, value_name = "V", requires = "error_variance")]
    pub mode_by_reader: Option<f64>,

    /// Covariance of one reader in two modes
    #[arg(long, value_name = "V", requires = "error_variance")]
    pub cov1: Option<f64>,

    /// Covariance of two readers in one mode
    #[arg(long, value_name = "V", requires = "error_variance")]
    pub cov2: Option<f64>,

    /// Covariance of two readers in two modes
    #[arg(long, value_name = "V", requires = "error_variance")]
    pub cov3: Option<f64>,

    /// Cases that these components are of
    #[arg(long, value_name = "N", requires = "error_variance")]
    pub pilot_cases: Option<u32>,

    /// The question of the pilot, if it has several
    #[arg(long, value_name = "LABEL", requires = "pilot")]
    pub question: Option<String>,

    /// The figure of the pilot
    #[arg(long, value_enum, default_value_t, requires = "pilot")]
    pub figure: FigureArgument,

    /// Numbers of readers
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [4, 6, 8, 10, 15])]
    pub readers: Vec<u32>,

    /// Numbers of cases: of positive or of negative ones, where the figure is sensitivity or specificity
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [50, 100, 200, 300, 500])]
    pub cases: Vec<u32>,

    /// The power for which the fewest cases are named
    #[arg(long, value_name = "P", default_value_t = 0.8)]
    pub power: f64,

    /// Level of the two-sided test
    #[arg(long, value_name = "P", default_value_t = 0.05)]
    pub level: f64,

    /// The conclusion is to hold for these readers only
    #[arg(long, conflicts_with = "fixed_cases")]
    pub fixed_readers: bool,

    /// The conclusion is to hold for these cases only
    #[arg(long)]
    pub fixed_cases: bool,

    /// Also draw power by cases for each number of readers
    #[arg(short, long, value_name = "FILE.svg")]
    pub output: Option<PathBuf>,

    /// Replace FILE.svg if it exists
    #[arg(long, requires = "output")]
    pub force: bool,
}

/// A study whose components of variance were published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PublishedArgument {
    /// Van Dyke and others 1993 (MRI of aortic dissection: 5 readers, 114 cases, AUC), as MRMCaov prints them
    VanDyke,
}

/// The figure that a study is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum FigureArgument {
    #[default]
    Sensitivity,
    Specificity,
    Auc,
    /// Of marks on lesions
    Wafroc,
    /// Of marks on lesions
    Afroc,
}

/// Cases that make one sensitivity or specificity precise enough
///
/// The fewest cases of the class whose 95 % interval has the half width, if the share comes out as expected: by Wilson's
/// interval, and by the exact one of Clopper and Pearson.
#[derive(Debug, Args)]
pub struct PrecisionArguments {
    /// The share that is expected: 0.9, say
    #[arg(long, value_name = "P")]
    pub share: f64,

    /// Half of the width of the interval
    #[arg(long, value_name = "W,…", value_delimiter = ',', default_values_t = [0.1, 0.07, 0.05, 0.03])]
    pub half_width: Vec<f64>,

    /// The share of the class among all cases, for the number of all cases
    #[arg(long, value_name = "P")]
    pub class_share: Option<f64>,
}

/// Cases for the external testing of a model that gives probabilities
///
/// Method: Riley and others 2021, Snell and others 2021: the cases for each of observed/expected, calibration slope, c
/// statistic and (with --threshold) standardised net benefit; the largest counts.
#[derive(Debug, Args)]
pub struct ValidationArguments {
    /// The share of positive cases
    #[arg(long, value_name = "P")]
    pub prevalence: f64,

    /// The c statistic (AUC) that is expected
    #[arg(long, value_name = "C")]
    pub c_statistic: f64,

    /// Mean of the linear predictor, ln(p / (1 − p)), which is taken to be normal
    #[arg(long, value_name = "M", allow_negative_numbers = true)]
    pub predictor_mean: f64,

    /// Its standard deviation
    #[arg(long, value_name = "S")]
    pub predictor_deviation: f64,

    /// Width of the 95 % interval of observed/expected
    #[arg(long, value_name = "W", default_value_t = 0.2)]
    pub ratio_width: f64,

    /// Width of that of the calibration slope
    #[arg(long, value_name = "W", default_value_t = 0.2)]
    pub slope_width: f64,

    /// Width of that of the c statistic
    #[arg(long, value_name = "W", default_value_t = 0.1)]
    pub c_width: f64,

    /// Threshold of the net benefit
    #[arg(long, value_name = "P", requires_all = ["sensitivity", "specificity"])]
    pub threshold: Option<f64>,

    /// Sensitivity at the threshold
    #[arg(long, value_name = "P", requires = "threshold")]
    pub sensitivity: Option<f64>,

    /// Specificity at the threshold
    #[arg(long, value_name = "P", requires = "threshold")]
    pub specificity: Option<f64>,

    /// Width of the 95 % interval of the standardised net benefit
    #[arg(long, value_name = "W", default_value_t = 0.2)]
    pub benefit_width: f64,
}
