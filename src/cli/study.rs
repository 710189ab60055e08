//! `cxr study`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{ReferenceArguments, StudySizeArguments};

/// Plan a reader study, and see how it goes
///
/// A study is a file, study.toml, and a list of its cases beside it. It says who reads which cases, in which design, with
/// which questions, and what is hidden. `cxr --study study.toml --reviewer NAME` opens the next sitting of a reader.
/// `cxr agreement --study study.toml` has the results.
///
/// The SHA-256 of study.toml is the digest to pre-register: the file holds the digests of the case list, of the reference
/// standard and of the model. Once the first sitting has begun, the file must not change.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct StudyArguments {
    /// What to do.
    #[command(subcommand)]
    pub action: StudyAction,
}

#[derive(Debug, Subcommand)]
pub enum StudyAction {
    New(Box<NewStudy>),
    Size(StudySizeArguments),
    /// Check the file of a study, its case list, its reference standard and every film
    ///
    /// Prints the flow of cases, the reference standard of each question, each reader's sittings and the digest to
    /// pre-register. Exit status: 0, 1 if something is wrong, 2 for bad usage.
    Check(StudyPath),
    /// Print how far each reader is, and what happened so far; no result
    Status(StudyPath),
    /// Find an edited study, case list, reference standard or log
    ///
    /// Compares the files with what the study began with, checks the chains of reviews and of events, and that each
    /// reading is of a listed case. Note the two heads that it prints elsewhere: they show later that nothing was
    /// rewritten. Exit status: 0, 1 if something is wrong, 2 for bad usage.
    Verify(StudyPath),
    Reference(ReferenceOfStudy),
    Close(CloseStudy),
}

/// The file of a study.
#[derive(Debug, Args)]
pub struct StudyPath {
    /// The file of the study
    #[arg(value_name = "study.toml")]
    pub study: PathBuf,
}

/// Write the reference standard that readers and adjudicators agreed on
///
/// A table that cxr evaluate -m takes: one row for each case with its path, its SHA-256 and for each question the answer
/// (1 or 0), how it was found (consensus, or adjudicated where readers differ), by whom, and when. A question that is
/// not decided yet has empty cells, and the message counts them. Calls count that were made without the model's answer,
/// if the design has such calls.
///
/// Adjudicators are named in study.toml (adjudicators = ["NAME"]); `cxr --study study.toml --reviewer NAME` opens the
/// cases on which readers differ, once all have read or the readings were closed. Exit status: 0, 1 if something is undecided, 2 for bad usage.
#[derive(Debug, Args)]
pub struct ReferenceOfStudy {
    /// The file of the study
    #[arg(value_name = "study.toml")]
    pub study: PathBuf,

    /// Write to FILE.csv, readable by its owner only
    #[arg(short, long, value_name = "FILE.csv")]
    pub output: PathBuf,

    /// Replace FILE.csv if it exists
    #[arg(long)]
    pub force: bool,
}

/// End a study before everything is read
///
/// No sitting of a reader opens any more, and export and agreement show what was read. Where adjudicators still have
/// disagreements to decide, these wait for that; close the study again to end that too. The reason stays in the log.
#[derive(Debug, Args)]
pub struct CloseStudy {
    /// The file of the study
    #[arg(value_name = "study.toml")]
    pub study: PathBuf,

    /// Why it ends now
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// Write the file of a new study and its list of cases
///
/// Every film below PATH becomes a case, by its content. A film that cannot be read, or has the content of another, is
/// in the list with the reason, and no reader reads it. Edit study.toml as you like before the first sitting; an edited list
/// needs its new SHA-256 in it, which `cxr study check` prints.
#[derive(Debug, Default, Args)]
pub struct NewStudy {
    /// Films, or folders of them
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,

    /// The file of the study; the list of cases is written beside it as NAME.cases.csv
    #[arg(short, long, value_name = "study.toml")]
    pub output: PathBuf,

    /// Name of the study [default: that of its file]
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,

    /// Where the model's answer is
    #[arg(long, value_enum, default_value_t)]
    pub design: DesignArgument,

    /// Name of a reader (repeatable)
    #[arg(long, value_name = "NAME", required = true)]
    pub reader: Vec<String>,

    /// Name of a person who decides where readers differ (repeatable)
    #[arg(long, value_name = "NAME")]
    pub adjudicator: Vec<String>,

    /// Label that readers are asked about (repeatable) [default: those of the model that stand on their own]
    #[arg(long, value_name = "LABEL")]
    pub question: Vec<String>,

    /// Of assignment, order of modes and order of cases [default: a new one]
    #[arg(long, value_name = "N")]
    pub seed: Option<u32>,

    /// Days between the last call of one mode and the first sitting of the other; for the independent design
    #[arg(long, value_name = "DAYS")]
    pub washout_days: Option<u32>,

    /// How many readers read each case [default: all]
    #[arg(long, value_name = "K")]
    pub readers_per_case: Option<u32>,

    /// Ask for marks with ratings on lesions, by the RULE inside, distance:SHARE or overlap:IOU; LABEL= is needed where
    /// there are several questions
    ///
    /// A mark is a point or a box (key M). It is on a lesion if its point, or the centre of its box, is in the lesion's box
    /// (inside), is at most SHARE of the film's longer side from the middle of that box (distance), or if it is a box
    /// whose intersection over union with the lesion's is at least IOU (overlap). SHARE and IOU are above 0 and at most 1.
    #[arg(long, value_name = "[LABEL=]RULE")]
    pub marks: Option<String>,

    /// Ask for calls only, and not how sure readers are
    #[arg(long)]
    pub no_rating: bool,

    /// Also hide name and identifier of the patient, or the whole DICOM header (repeatable); the answer and names of
    /// files are always hidden
    #[arg(long, value_enum, value_name = "WHAT")]
    pub hide: Vec<HideArgument>,

    /// The reference standard.
    #[command(flatten)]
    pub reference: ReferenceArguments,

    /// Column of lesions' boxes, `x y w h` in fractions of the film, joined by `;`: for --marks
    #[arg(
        long,
        value_name = "COLUMN",
        requires_all = ["manifest", "marks"],
        help_heading = "Reference standard"
    )]
    pub boxes_column: Option<String>,

    /// Replace the two files if they exist
    #[arg(long)]
    pub force: bool,
}

/// Where the model's answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum DesignArgument {
    /// Hidden until a case is called, then shown: the reader may call again
    #[default]
    Sequential,
    /// One sitting without it and one with it, a wash-out apart
    #[value(alias = "crossover")]
    Independent,
    /// Shown from the start; there is no sitting without it
    Concurrent,
    /// Hidden, in one sitting: for readers who make a reference standard
    Unaided,
}

/// What else is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HideArgument {
    Identity,
    Header,
}
