//! What can be typed. Definitions only: what it does is in [`commands`](crate::commands).

mod configuration;

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use configuration::{AsciiWhen, Column, Config, ConfigFile, Look, Theme};

const NOT_A_DEVICE: &str = "cxr is for research and teaching. It is not a medical device.";

/// A second reader for chest radiographs that lives in the terminal.
///
/// Without a command it opens files and folders on the screen.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = NOT_A_DEVICE,
    override_usage = "cxr [OPTIONS] [PATH]...\n       cxr [OPTIONS] <COMMAND>",
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(flatten)]
    pub browse: Browse,

    #[command(flatten)]
    pub appearance: Appearance,

    #[command(flatten)]
    pub model: Model,

    #[command(flatten)]
    pub config: ConfigFile,

    // The last: it has a heading, and what follows would stand under it.
    #[command(flatten)]
    pub files: Files,

    #[command(flatten)]
    pub computing: Computing,

    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// Parses the arguments of this process; prints help, the version or what is wrong, and ends
    /// the process, where that is what they ask for.
    pub fn from_arguments() -> Self {
        Cli::try_parse()
            .and_then(Cli::checked)
            .unwrap_or_else(|error| error.exit())
    }

    /// Refuses what clap would take and nobody would mean: `cxr --graphics off predict`, where
    /// `predict` has no use for the option and may be a folder.
    fn checked(self) -> Result<Self, clap::Error> {
        if self.command.is_none() || self.browse == Browse::default() {
            return Ok(self);
        }
        let message = "options of the screen do not go with a command; \
                       a folder with the name of a command is written ./NAME";
        Err(Cli::command().error(ErrorKind::ArgumentConflict, message))
    }
}

/// How it looks, for every command.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub struct Appearance {
    /// Colours: as the terminal and NO_COLOR say, always, or never [default: auto]
    #[arg(long, global = true, value_enum, value_name = "WHEN")]
    pub color: Option<ColorWhen>,
}

/// How much one file may ask for, for every command that reads files: what is beyond is a row with
/// a reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Limits of one file")]
pub struct Files {
    /// Columns times rows, in millions [default: 100]
    #[arg(
        long,
        global = true,
        value_name = "N",
        env = "CXR_MAX_MEGAPIXELS",
        hide_env_values = true
    )]
    pub max_megapixels: Option<NonZeroU32>,

    /// Memory that decoding it may take, in MiB [default: 1024]
    #[arg(
        long,
        global = true,
        value_name = "N",
        env = "CXR_MAX_MEMORY",
        hide_env_values = true
    )]
    pub max_memory: Option<NonZeroU32>,

    /// Seconds that decoding it may take, where it has a process of its own (DICOM) [default: 20]
    #[arg(
        long,
        global = true,
        value_name = "N",
        env = "CXR_DECODE_TIMEOUT",
        hide_env_values = true
    )]
    pub decode_timeout: Option<NonZeroU32>,
}

/// Which model, for every command that has one.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Model {
    /// The name of a model (`cxr models list`), or a .safetensors file with its card, a .toml, beside
    /// it [default: the bundled model]
    #[arg(
        long,
        global = true,
        value_name = "NAME|FILE",
        env = "CXR_MODEL",
        hide_env_values = true
    )]
    pub model: Option<PathBuf>,
}

/// How networks are computed, for every command that runs one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Computing")]
pub struct Computing {
    /// What computes the network [default: auto]
    #[arg(long, global = true, value_enum, value_name = "ENGINE")]
    pub engine: Option<Engine>,

    /// Where: auto (a graphics processor if this build can use it and there is one), cpu, cuda, cuda:N,
    /// metal [default: auto]
    #[arg(long, global = true, value_name = "DEVICE")]
    pub device: Option<Device>,

    /// In what numbers [default: f32]
    #[arg(long, global = true, value_enum, value_name = "PRECISION")]
    pub precision: Option<Precision>,
}

/// What the numbers of a network are computed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Precision {
    #[default]
    F32,
    /// On the CPU, products of 8 bits: faster, scores change a little, and the preprocess column says
    /// +bf16. Needs a processor with AVX-512 BF16
    Bf16,
    /// On a graphics processor, all numbers of 11 bits; the preprocess column says +f16. The same
    /// on the CPU, slowly, with --engine candle
    F16,
}

/// Where a network is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    #[default]
    Auto,
    Cpu,
    Cuda(usize),
    Metal,
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |n: &str| n.parse().ok().map(Device::Cuda);
        match text {
            "auto" => Some(Device::Auto),
            "cpu" => Some(Device::Cpu),
            "cuda" => Some(Device::Cuda(0)),
            "metal" => Some(Device::Metal),
            other => other.strip_prefix("cuda:").and_then(number),
        }
        .ok_or_else(|| "one of auto, cpu, cuda, cuda:N, metal".to_owned())
    }
}

/// What computes a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Engine {
    /// The fastest for this machine
    #[default]
    Auto,
    /// The kernels of cxr
    Kernels,
    /// The plain operations of candle: slower, and what the kernels are checked against
    Candle,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ColorWhen {
    #[default]
    Auto,
    Always,
    Never,
}

/// `cxr [PATH]...`: the screen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Browse {
    /// Radiographs, or folders of them [default: the current folder]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    #[command(flatten)]
    pub terminal: Terminal,

    #[command(flatten)]
    pub look: Look,

    /// Models that were used stay loaded up to so many MiB of weights, so that m switches back at
    /// once [default: 512]
    #[arg(long, value_name = "N")]
    pub model_memory: Option<NonZeroU32>,

    /// In whose name verdicts are recorded [default: the login name]
    #[arg(long, value_name = "NAME")]
    pub reviewer: Option<String>,

    /// Where they are recorded [default: cxr/reviews.sqlite in $XDG_STATE_HOME or ~/.local/state]
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,

    /// Read only what is looked at, not the rest of the folder in the background
    #[arg(long)]
    pub no_background: bool,

    /// Hide what the model says of each image until you have made your own call (Enter); both, and
    /// the times taken, are recorded; see cxr agreement
    #[arg(long)]
    pub blinded: bool,

    /// Read them in a random order, the same for the same SEED, which is recorded [default: a new
    /// one]
    #[arg(long, value_name = "SEED", requires = "blinded", num_args = 0..=1, require_equals = true)]
    pub shuffle: Option<Option<u64>>,
    /// Begin at the top, by name and without a filter, not where these folders were left
    #[arg(long)]
    pub fresh: bool,
    /// Read it, where the configuration says not to
    #[arg(long, overrides_with = "no_background")]
    pub background: bool,

    #[command(flatten)]
    pub assumptions: Assumptions,
}

/// How pictures come to the terminal, for whatever shows them or says how they would be shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub struct Terminal {
    /// How radiographs are painted: the best that the terminal can, one way of painting, or not at
    /// all [default: auto]
    #[arg(long, value_enum, value_name = "HOW")]
    pub graphics: Option<Graphics>,

    /// How many milliseconds the terminal may take to say what it can do [env: CXR_PROBE_MS]
    /// [default: 150]
    #[arg(long, value_name = "MS")]
    pub probe_timeout: Option<NonZeroU32>,

    /// A picture of more KiB comes coarse first, and fine once the selection rests; 0: never [default:
    /// 40 where the terminal's answer took over 30 ms, else never]
    #[arg(long, value_name = "KIB")]
    pub coarse_above: Option<u32>,
}

/// What is assumed of the images, for whatever shows probabilities.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Assumptions {
    /// Share of positives that the probability of LABEL is to assume, instead of the card's:
    /// COVID-19=0.05 or COVID-19=5%; may be repeated
    #[arg(long, value_name = "LABEL=SHARE")]
    pub prevalence: Vec<String>,

    /// What the configuration says, as far as the model has such labels.
    #[arg(skip)]
    pub usual: Vec<String>,
}

/// A way of painting a radiograph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Graphics {
    #[default]
    Auto,
    Kitty,
    Iterm,
    Sixel,
    /// Block characters, in every terminal.
    Blocks,
    Off,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Predict(Predict),
    Evaluate(Box<Evaluate>),
    Adapt(Box<Adapt>),
    Export(Export),
    Agreement(Agreement),
    Report(Report),
    /// Say what this machine, terminal and model can do, in words
    Doctor(Terminal),
    Models(Models),
    Config(Config),
    Completions(Completions),
    /// Print the manual page
    Man,
    /// Decode DICOM files for the process that started this one
    #[command(hide = true)]
    DecodeWorker,
}

/// Classify radiographs without a screen: one row an image, written as it finishes
///
/// Folders are walked recursively and links followed. Rows come in the order of the walk: by name,
/// img2 before img10. Columns: path, status, reasons, one for each label of the model,
/// geographic_extent, opacity, model_sha256, preprocess, elapsed_ms.
///
/// A label's column is its probability where the label is calibrated (`cxr models show`), at the
/// prevalence that --prevalence or else the card says, and a score where it is not. JSON rows also
/// hold logits, operating points, prevalences, conformal sets and errors of severity.
///
/// status is `ok`, `caution` (scores, and reasons to doubt them), `refused` (no scores) or `error`
/// (the file could not be read; the reason says why).
///
/// Paths are written as given. Bytes that are not UTF-8 and control characters become \xNN, a
/// backslash becomes \\, and a path that a spreadsheet would take for a formula gets ./ before it.
///
/// A heat map is a PNG file of at most 1,024 pixels a side, readable by its owner only: the
/// radiograph in its default window, vermilion over what speaks for the label, blue over what speaks
/// against it. It is called NAME-HASH.png, after the image and the first 16 hexadecimal digits of the
/// SHA-256 of its path in the table; inside it says its label, the model and what the colours stand
/// for. One from an earlier run is replaced. An image whose heat map cannot be written is an `error`,
/// so that --resume reads it again; rows that --resume keeps get no new one.
///
/// Exit status: 0 if every image was read, 1 if some could not be, 2 for bad usage or if there was
/// no image, 130 after Ctrl-C (the rows written so far stay valid).
#[derive(Debug, Args)]
pub struct Predict {
    /// Radiographs, or folders of them
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,

    /// Write here, and not to standard output (which is -)
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Format of the table [default: by the extension of FILE, else csv]
    #[arg(short, long, value_enum)]
    pub format: Option<TableFormat>,

    #[command(flatten)]
    pub assumptions: Assumptions,

    /// Images that are read at the same time [default: the number of cores]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,

    /// Go on with FILE: keep its whole rows by this model, read what is missing or failed
    #[arg(long, requires = "output")]
    pub resume: bool,

    /// Write a heat map for each image with scores into DIR: where the model looked, not whether it
    /// is right
    #[arg(long, value_name = "DIR")]
    pub heatmaps: Option<PathBuf>,

    /// Heat maps of this label [default: for each image, the label that is highest over its
    /// operating point]
    #[arg(long, value_name = "LABEL", requires = "heatmaps")]
    pub heatmap_label: Option<String>,

    /// No progress bar and no summary on standard error
    #[arg(short, long)]
    pub quiet: bool,
}

/// Measure the model on cases whose truth is known
///
/// The manifest is a CSV file with one row an image. Two layouts need no options: `path` and
/// `finding` columns, and the metadata.csv of the COVID-19 image data collection (`filename`,
/// `folder`, `patientid`, `finding`). Findings are the words of these collections:
/// Pneumonia/Viral/COVID-19, Pneumonia/Bacterial, No Finding and so on. Columns `modality`, `view`,
/// `duplicate_of`, `source`, `geographic_extent` and `opacity` mean what they say, if there are any:
/// only frontal radiographs are measured, and no duplicates.
///
/// Printed, and with -o DIR written to report.json and report.csv: area under the ROC curve, average
/// precision, sensitivity, specificity, predictive values and confusion at the card's operating
/// points, Brier score, calibration error (10 bins), calibration intercept and slope; for severity
/// mean absolute error and Pearson's r. Each comes with its 95 % interval, for all images and for
/// each group. What is undefined is n/a.
///
/// Exit status: 0 if every image was read, 1 if some could not be, 2 for bad usage, 130 after Ctrl-C
/// (nothing is reported then; DIR/predictions.csv has what was read).
#[derive(Debug, Args)]
pub struct Evaluate {
    #[command(flatten)]
    pub cases: Cases,

    /// Write report.json, report.csv, predictions.csv and plots/*.svg into this folder
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,

    /// Measure each value of this column by itself, too (repeatable) [default: source]
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    pub group_column: Vec<String>,

    /// Measure a table of `cxr predict` (CSV or JSONL) and run no network
    #[arg(long, value_name = "FILE", help_heading = "Tables of predictions")]
    pub predictions: Option<PathBuf>,

    /// Compare with another model's table of `cxr predict`: DeLong's test
    #[arg(long, value_name = "FILE", help_heading = "Tables of predictions")]
    pub against: Option<PathBuf>,

    /// Images that are read at the same time [default: the number of cores]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,

    /// No progress bar and no summary on standard error
    #[arg(short, long)]
    pub quiet: bool,
}

/// Cases whose truth is known.
#[derive(Debug, Args)]
pub struct Cases {
    /// Table of cases
    #[arg(short, long, value_name = "FILE.csv")]
    pub manifest: PathBuf,

    /// Folder that the file names in it are relative to [default: that of FILE.csv]
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,

    /// Column of file names [default: path, filename, file, image …]
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    pub path_column: Option<String>,

    /// COLUMN of findings [default: finding], or LABEL=COLUMN: a column of 0/1 or yes/no that
    /// answers for a label of the model (repeatable)
    #[arg(long, value_name = "[LABEL=]COLUMN", help_heading = "Columns")]
    pub label_column: Vec<String>,

    /// Column of patients; images of one are kept together [default: patient, patientid …]
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    pub patient_column: Option<String>,

    /// Only rows with this value in the column `split`
    #[arg(long, value_name = "VALUE", help_heading = "Rows")]
    pub split: Option<String>,

    /// Only rows with this value in this column; repeated for a column, any of its values
    #[arg(long = "where", value_name = "COLUMN=VALUE", help_heading = "Rows")]
    pub filters: Vec<String>,
}

/// Fit the model to your hospital, and write it as a new one
///
/// The manifest is that of `cxr evaluate`. For each label that is present or absent on its own, with
/// 20 positive and 20 negative images of 10 patients each: its probability, both operating points and
/// its conformal thresholds are fitted to these cases, and the prevalence becomes theirs. The causes
/// given a pneumonia get a temperature and conformal thresholds where each of them has so many
/// images. Other labels stay as they were, and so do severity and the input check.
///
/// With --method refit a label's row of the last layer is fitted, too: the row before, scaled, and a
/// correction by logistic regression on the frozen features. The correction is shrunk towards none, as
/// strongly as cross-validation says. The rows of the causes are not refitted.
///
/// The table that is printed compares before and after on the same cases: after is what a fit says
/// that has seen no image of the case's patient (five folds). It says nothing of other hospitals, or
/// of next year.
///
/// FILE.safetensors and its card FILE.toml are written, readable by their owner only, when everything
/// is done. The model before is not touched. Use the new one with --model FILE.safetensors.
///
/// Exit status: 0 if every image was read, 1 if some could not be (the model is written from the
/// rest), 2 for bad usage or too few cases, 130 after Ctrl-C (nothing is written).
#[derive(Debug, Args)]
pub struct Adapt {
    #[command(flatten)]
    pub cases: Cases,

    /// What is fitted
    #[arg(long, value_enum, value_name = "METHOD", default_value_t)]
    pub method: Method,

    /// The new model; its card is written beside it
    #[arg(short, long, value_name = "FILE.safetensors")]
    pub output: PathBuf,

    /// Replace FILE if it is there
    #[arg(long)]
    pub force: bool,

    /// Date for the card, such as 2026-01-31 [default: today]
    #[arg(long, value_name = "DATE")]
    pub date: Option<String>,

    /// Images that are read at the same time [default: the number of cores]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,

    /// No progress bar and no summary on standard error
    #[arg(short, long)]
    pub quiet: bool,
}

/// What `cxr adapt` fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Method {
    /// Probabilities, operating points and conformal thresholds
    #[default]
    Recalibrate,
    /// Those, and the last layer
    Refit,
}

/// Compare readers who read blinded with the model, and with the truth
///
/// For each reader and label, before (unaided) and after (aided) the model's answer was shown: how
/// often reader and model say the same and Cohen's kappa; with --manifest also sensitivity and
/// specificity of the reader and of the model, kappa with the truth, and the differences. Each comes
/// with its 95 % interval (bootstrap over patients; w: Wilson). What is undefined is n/a.
///
/// The model says yes above its balanced operating point, at the prevalence of its card. Who changed
/// nothing after the answer was shown called the same twice.
///
/// Exit status: 0, 1 if the store cannot be read, 2 for bad usage or if nobody has read blinded.
#[derive(Debug, Args)]
pub struct Agreement {
    /// Readings of the images that were last seen below this folder (or of this file) [default: all]
    #[arg(value_name = "FOLDER")]
    pub folder: Option<PathBuf>,

    /// Only this reader's
    #[arg(long, value_name = "NAME")]
    pub reviewer: Option<String>,

    /// Format of the report
    #[arg(short, long, value_enum, default_value_t)]
    pub format: AgreementFormat,

    /// The log of reviews [default: cxr/reviews.sqlite in $XDG_STATE_HOME or ~/.local/state]
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,

    /// Table of cases whose truth is known, as cxr evaluate has it
    #[arg(short, long, value_name = "FILE.csv", help_heading = "Truth")]
    pub manifest: Option<PathBuf>,

    /// Folder that the file names in it are relative to [default: that of FILE.csv]
    #[arg(
        long,
        value_name = "DIR",
        requires = "manifest",
        help_heading = "Truth"
    )]
    pub root: Option<PathBuf>,

    /// Column of file names [default: path, filename, file, image …]
    #[arg(
        long,
        value_name = "COLUMN",
        requires = "manifest",
        help_heading = "Truth"
    )]
    pub path_column: Option<String>,

    /// COLUMN of findings [default: finding], or LABEL=COLUMN: a column of 0/1 or yes/no that
    /// answers for a label of the model (repeatable)
    #[arg(
        long,
        value_name = "[LABEL=]COLUMN",
        requires = "manifest",
        help_heading = "Truth"
    )]
    pub label_column: Vec<String>,

    /// Column of patients; images of one are kept together [default: patient, patientid …]
    #[arg(
        long,
        value_name = "COLUMN",
        requires = "manifest",
        help_heading = "Truth"
    )]
    pub patient_column: Option<String>,
}

/// How readers are compared on paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum AgreementFormat {
    #[default]
    Text,
    Json,
}

/// Write the reviews as a table, or check that the log of them is whole
///
/// One row for each image and reviewer, with the reader's last word: columns path, image_sha256,
/// study_uid, series_uid, sop_uid, patient_id (only with --with-patient), reviewer, verdict,
/// disagreed_label, key_image, note, first_at, last_at, entries, unaided_call, unaided_ms, aided_call,
/// aided_ms, order_seed, order_position (of blinded reading), input_check, reasons,
/// geographic_extent, opacity, window_centre, window_width, model_sha256, preprocess, cxr_version,
/// and score:LABEL for each label of the models that were used, by name. Scores, severity, window and
/// model are those that were on the screen at that last word. JSON rows also hold all of it as `seen`.
///
/// Text that a spreadsheet would take for a formula gets an apostrophe before it, a path ./ .
///
/// With --verify every row of the log is checked against the hash of the row before it. What was
/// edited, put in or taken out is named, and no table is written. The hash of the last row is
/// printed: noted elsewhere, it also shows later whether all of the log was written anew.
///
/// Exit status: 0, 1 if the log is not whole or cannot be read, 2 for bad usage or if there is no
/// store.
#[derive(Debug, Args)]
pub struct Export {
    /// Reviews of the images that were last seen below this folder (or of this file)
    #[arg(value_name = "FOLDER", conflicts_with = "all")]
    pub folder: Option<PathBuf>,

    /// Reviews of all images
    #[arg(long)]
    pub all: bool,

    /// Format of the table [default: by the extension of FILE, else csv]
    #[arg(short, long, value_enum)]
    pub format: Option<ReviewFormat>,

    /// Write here, and not to standard output (which is -); a table that is there is replaced
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Say whose image it is: the DICOM patient identifier
    #[arg(long)]
    pub with_patient: bool,

    /// Check that no row of the log was edited, put in or taken out
    #[arg(long)]
    pub verify: bool,

    /// The store [default: cxr/reviews.sqlite in $XDG_STATE_HOME or ~/.local/state]
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
}

/// Write one page about one image, for a case note
///
/// The page is one HTML file with its pictures inside, for an A4 sheet: it asks for no other file and
/// runs nothing. On it are the radiograph in its own window, the same with a heat map, the findings
/// with their operating points and 90 % sets, severity with its error, the input check, the model,
/// and what readers said of this image (by its content). An image that the input check refuses has
/// no numbers.
///
/// Of where the image lies, only the name of its file is on the page.
///
/// Exit status: 0 if the page is written, 1 if the image cannot be read or the page not be written, 2
/// for bad usage, 130 after Ctrl-C (nothing is written).
#[derive(Debug, Args)]
pub struct Report {
    /// A radiograph
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,

    /// Write here, readable by its owner only; - is standard output
    #[arg(short, long, value_name = "FILE.html")]
    pub output: PathBuf,

    /// Replace FILE.html if it is there
    #[arg(long)]
    pub force: bool,

    #[command(flatten)]
    pub assumptions: Assumptions,

    /// The heat map of this label [default: the label that is highest over its operating point]
    #[arg(long, value_name = "LABEL")]
    pub heatmap_label: Option<String>,

    /// Say whose image it is: patient name and identifier, and the UIDs of study and image
    #[arg(long)]
    pub with_patient: bool,

    /// The store that readers' verdicts are in [default: cxr/reviews.sqlite in $XDG_STATE_HOME or
    /// ~/.local/state]; that there is none is no error
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
}

/// The format of a table of reviews.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReviewFormat {
    Csv,
    Jsonl,
}

/// The format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    Csv,
    Jsonl,
    Json,
}

/// The models: what they are, other people's, and their cards
///
/// Imported and pulled models are kept in $XDG_DATA_HOME/cxr/models (or ~/.local/share/cxr/models),
/// readable by their owner only. `--model NAME` uses one, with every command.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct Models {
    #[command(subcommand)]
    pub action: ModelsAction,
}

#[derive(Debug, Subcommand)]
pub enum ModelsAction {
    /// One line for each model
    List,
    /// The card of a model: what it reads, how it was made, how well it did
    Show {
        /// Name of a model [default: the one that is used]
        name: Option<String>,
    },
    Import(Import),
    /// Fetch a published model and import it: the only thing in cxr that uses the network
    ///
    /// What was fetched before an interruption is kept, and the rest is fetched the next time. A file
    /// with another SHA-256 than cxr knows for it is not imported.
    Pull {
        /// Name of a published model, as torchxrayvision calls it: densenet121-res224-all
        name: String,
    },
    /// Remove a model from the store
    Remove {
        /// Its name
        name: String,
    },
    /// Read every model in the store again, and compare it with its SHA-256
    ///
    /// Exit status: 0 if all are whole, 1 if one is not.
    Verify {
        /// Only this one
        name: Option<String>,
    },
}

/// Import somebody else's model into the store
///
/// FILE is a Keras Sequential model (.h5, .keras), or a model of cxr's: a .safetensors file with its
/// card beside it. PyTorch's files (.pt, .pth, .pth.tar) and other safetensors need --as. Nothing in a
/// file is ever run. A model is imported whole or not at all.
#[derive(Debug, Args)]
pub struct Import {
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// The kind of network that it is
    #[arg(long = "as", value_enum, value_name = "FAMILY")]
    pub family: Option<Family>,

    /// What to call it [default: the name of the file]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Labels of its outputs, in order: a,b,c or a file with one on each line
    #[arg(long, value_name = "FILE|a,b,c")]
    pub labels: Option<String>,

    /// Replace a model of the same name or with the same weights
    #[arg(long)]
    pub force: bool,
}

/// A kind of network that can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Family {
    /// torchxrayvision's DenseNet-121: one channel, 224 × 224 pixels
    XrvDensenet121,
    /// torchxrayvision's ResNet-50: one channel, 512 × 512 pixels
    #[value(name = "xrv-resnet50-512")]
    XrvResnet50,
    /// arnoweng/CheXNet's DenseNet-121: three channels, 224 × 224 pixels, 14 labels
    Chexnet,
    /// Convolutions, max pooling, Flatten and Dense, on 224 × 224 pixels in colour
    KerasSequential,
}

/// Print a completion script
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell that it is for
    #[arg(value_enum)]
    pub shell: Shell,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
        let arguments = std::iter::once(&"cxr").chain(arguments);
        Cli::try_parse_from(arguments).and_then(Cli::checked)
    }

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn paths_without_a_command_are_for_the_screen() {
        let cli = parse(&["samples", "./predict", "--graphics", "blocks"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(
            cli.browse.paths,
            [PathBuf::from("samples"), PathBuf::from("./predict")]
        );
        assert_eq!(cli.browse.terminal.graphics, Some(Graphics::Blocks));
        assert!(parse(&[]).unwrap().browse.paths.is_empty());
    }

    #[test]
    fn a_command_may_follow_what_is_for_every_command() {
        for arguments in [
            ["--color", "never", "predict", "samples"],
            ["predict", "--color", "never", "samples"],
        ] {
            let cli = parse(&arguments).unwrap();
            assert_eq!(cli.appearance.color, Some(ColorWhen::Never));
            assert!(matches!(cli.command, Some(Command::Predict(p)) if p.paths.len() == 1));
        }
    }

    #[test]
    fn after_a_path_everything_is_a_path() {
        let cli = parse(&["samples", "predict"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.browse.paths.len(), 2);
    }

    #[test]
    fn an_option_of_the_screen_before_a_command_is_refused_and_never_guessed_at() {
        let error = parse(&["--graphics", "off", "doctor"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ArgumentConflict);
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn a_prevalence_may_be_said_of_several_labels_with_and_without_a_command() {
        let both = [
            "--prevalence",
            "COVID-19=5%",
            "--prevalence",
            "Pneumonia=0.3",
        ];
        let screen = parse(&[&both[..], &["samples"]].concat()).unwrap();
        assert_eq!(
            screen.browse.assumptions.prevalence,
            ["COVID-19=5%", "Pneumonia=0.3"]
        );
        let predict = parse(&[&["predict", "samples"], &both[..]].concat()).unwrap();
        assert!(
            matches!(predict.command, Some(Command::Predict(p)) if p.assumptions.prevalence.len() == 2)
        );
    }

    #[test]
    fn limits_may_be_given_before_or_after_a_command() {
        for arguments in [
            ["--max-megapixels", "7", "predict", "x"],
            ["predict", "--max-megapixels", "7", "x"],
        ] {
            let cli = parse(&arguments).unwrap();
            assert_eq!(cli.files.max_megapixels.unwrap().get(), 7);
        }
        assert!(parse(&["predict", "x", "--max-memory", "0"]).is_err());
    }

    #[test]
    fn evaluate_needs_a_manifest_and_takes_columns_again_and_again() {
        assert!(parse(&["evaluate"]).is_err());
        let arguments = "evaluate -m m.csv --label-column Pneumonia=a --label-column COVID-19=b \
                         --where sex=F --where split=test --split val";
        let cli = parse(&arguments.split_whitespace().collect::<Vec<_>>()).unwrap();
        let Some(Command::Evaluate(evaluate)) = cli.command else {
            panic!("another command");
        };
        assert_eq!(evaluate.cases.label_column, ["Pneumonia=a", "COVID-19=b"]);
        assert_eq!(evaluate.cases.filters.len(), 2);
        assert_eq!(evaluate.cases.split.as_deref(), Some("val"));
    }

    #[test]
    fn adapt_needs_cases_and_a_place_for_the_new_model() {
        let parsed = parse(&["adapt", "-m", "m.csv", "-o", "a.safetensors"]).unwrap();
        let Some(Command::Adapt(adapt)) = parsed.command else {
            panic!("another command");
        };
        assert_eq!(adapt.method, Method::Recalibrate);
        assert!(!adapt.force && adapt.date.is_none());
        for missing in [&["adapt", "-m", "m.csv"], &["adapt", "-o", "a"]] {
            assert_eq!(parse(missing).unwrap_err().exit_code(), 2);
        }
    }

    #[test]
    fn what_predict_cannot_do_is_bad_usage() {
        for arguments in [
            &["predict"][..],
            &["predict", "x", "--format", "xml"],
            &["predict", "x", "--jobs", "0"],
            &["predict", "x", "--resume"],
            &["predict", "x", "--heatmap-label", "Pneumonia"],
            &["predict", "x", "--no-such-thing"],
        ] {
            assert_eq!(
                parse(arguments).unwrap_err().exit_code(),
                2,
                "{arguments:?}"
            );
        }
    }
}
