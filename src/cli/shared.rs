//! Options that several commands have.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

/// How the output looks, for every command.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub struct AppearanceArguments {
    /// Colours: as the terminal and NO_COLOR say, always, or never [default: auto]
    #[arg(long, global = true, value_enum, value_name = "WHEN")]
    pub color: Option<ColorWhen>,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ColorWhen {
    #[default]
    Auto,
    Always,
    Never,
}

/// Limits of one file, for every command that reads images. A file beyond them is a row with a reason.
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

    /// Seconds that decoding it may take [default: 20]
    #[arg(
        long,
        global = true,
        value_name = "N",
        env = "CXR_DECODE_TIMEOUT",
        hide_env_values = true
    )]
    pub decode_timeout: Option<NonZeroU32>,
}

/// How films of a PACS are fetched, for every command that reads images.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Films of a PACS (https://HOST/dicom-web?Modality=DX,CR)")]
pub struct PacsArguments {
    /// Keep films that are fetched in FOLDER, as STUDY/SERIES/INSTANCE.dcm, and fetch none that is there
    /// [default: nothing is kept]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub keep: Option<PathBuf>,

    /// The certificates of the authorities that the server's may be signed by, in PEM [default: those of
    /// Mozilla]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "CXR_PACS_CA",
        hide_env_values = true
    )]
    pub pacs_ca: Option<PathBuf>,

    /// Seconds that the server may be silent [default: 30]
    #[arg(long, global = true, value_name = "N")]
    pub pacs_timeout: Option<NonZeroU32>,

    /// Memory for films that were fetched, in MiB [default: 256]
    #[arg(long, global = true, value_name = "N")]
    pub pacs_memory: Option<NonZeroU32>,

    /// The command of the configuration that prints a token, or a user name and a password.
    #[arg(skip)]
    pub pacs_credentials: Option<String>,
}

/// Which model, for every command that has one.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ModelArguments {
    /// The name of a model (`cxr models list`), or a .safetensors file with its card (.toml) beside it
    /// [default: the bundled model]
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
    /// The engine that computes the network [default: auto]
    #[arg(long, global = true, value_enum, value_name = "ENGINE")]
    pub engine: Option<EngineArgument>,

    /// The device: auto (a graphics processor if this build can use it and there is one), cpu, cuda,
    /// cuda:N, metal [default: auto]
    #[arg(long, global = true, value_name = "DEVICE")]
    pub device: Option<Device>,

    /// Numeric precision [default: f32]
    #[arg(long, global = true, value_enum, value_name = "PRECISION")]
    pub precision: Option<PrecisionArgument>,
}

/// The precision of the numbers in a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum PrecisionArgument {
    #[default]
    F32,
    /// bfloat16 (8-bit mantissa) for products on the CPU: faster, scores change a little, and the
    /// preprocess column says +bf16. Needs a processor with AVX-512 BF16 or AMX tiles; where it saves
    /// less than 3 % of the time, f32 is used
    Bf16,
    /// Each f32 number as two bf16 numbers, for products on the CPU: within 1e-4 of a logit of f32, and
    /// the preprocess column says +split. Needs a processor with AMX tiles; where it saves less than
    /// 3 % of the time, f32 is used
    Split,
    /// float16 (11-bit mantissa) for all numbers on a graphics processor; the preprocess column says
    /// +f16. The same on the CPU, slowly, with --engine candle
    F16,
}

/// The device that computes a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// A graphics processor if this build can use it and there is one, or else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The NVIDIA card of this number, from 0.
    Cuda(usize),
    /// Apple's graphics processor.
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

/// The engine that computes a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum EngineArgument {
    /// The fastest for this machine
    #[default]
    Auto,
    /// The convolution kernels of cxr
    Kernels,
    /// The plain operations of candle: slower, and the reference that the kernels are checked against
    Candle,
}

/// How pictures are painted, for the screen and for `cxr doctor`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub struct Terminal {
    /// How radiographs are painted: in the best way that the terminal can, in one way, or not at all
    /// [default: auto]
    #[arg(long, value_enum, value_name = "HOW")]
    pub graphics: Option<GraphicsArgument>,

    /// How many milliseconds the terminal may take to answer what it can do [env: CXR_PROBE_MS]
    /// [default: 150]
    #[arg(long, value_name = "MS")]
    pub probe_timeout: Option<NonZeroU32>,

    /// A picture of more KiB is painted coarse first, and fine once the selection rests; 0: never
    /// [default: 40 where the terminal's answer took over 30 ms, else never]
    #[arg(long, value_name = "KIB")]
    pub coarse_above: Option<u32>,
}

/// Describe what this machine, terminal and model can do
///
/// With --pacs, describes a PACS instead: whether it can be reached, whether its certificate is trusted and the credential
/// accepted, whether it lists studies and instances page by page, and how it sends films. Nothing of a patient is printed.
///
/// Exit status: 0, or 1 if a part is broken; the line says how to mend it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct DoctorArguments {
    /// How pictures would be painted.
    #[command(flatten)]
    pub terminal: Terminal,

    /// Ask the PACS at ADDRESS (https://HOST/dicom-web or dicom://HOST:PORT/TITLE) what it can do
    #[arg(long, value_name = "ADDRESS")]
    pub pacs: Option<String>,
}

/// A way of painting a radiograph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum GraphicsArgument {
    #[default]
    Auto,
    Kitty,
    Iterm,
    Sixel,
    /// Block characters, in every terminal: half blocks in xterm, quadrants elsewhere.
    Blocks,
    /// Four pixels a character; xterm's own fonts lack the signs.
    Quadrants,
    /// Two pixels a character, in every font.
    HalfBlocks,
    Off,
}

/// Whether outcomes are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub struct PrognosisArguments {
    /// Show the outcomes that the model foretells (cxr models show), each beside the evidence that it can
    /// [default: false]
    #[arg(
        long,
        value_name = "SHOW",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub prognosis: Option<bool>,
}

impl PrognosisArguments {
    /// Whether they are asked for.
    pub fn is_asked(self) -> bool {
        self.prognosis == Some(true)
    }
}

/// The prevalence that probabilities assume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Assumptions {
    /// Share of positives that the probability of LABEL assumes, instead of the card's:
    /// COVID-19=0.05 or COVID-19=5%; may be repeated
    #[arg(long, value_name = "LABEL=SHARE")]
    pub prevalence: Vec<String>,

    /// The prevalences of the configuration. The model may lack some of these labels.
    #[arg(skip)]
    pub usual: Vec<String>,
}
