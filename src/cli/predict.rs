//! `cxr predict`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::{Assumptions, PrognosisArguments};

/// Classify radiographs without a screen: one row per image, written as it finishes
///
/// Folders are walked recursively and links followed. Rows come in the order of the walk: by name,
/// img2 before img10. Columns: path, status, reasons, one for each label of the model,
/// geographic_extent, opacity, model_sha256, preprocess, elapsed_ms, image_sha256 (of the image's
/// file), card_digest (of calibration and operating points), prevalence (the one that each calibrated
/// label assumes), evidence_in_lungs (the share, from 0 to 1, of the evidence for pneumonia that lies in
/// the lungs), cardiothoracic_ratio.
///
/// The column of a calibrated label (`cxr models show`) is its probability, at the prevalence of
/// --prevalence or else of the card; the column of another label is a score. JSON rows also
/// hold logits, operating points, prevalences, conformal sets and errors of severity.
///
/// With --prognosis there is a column `prognosis: OUTCOME` for each outcome that the model foretells: a score, or
/// nothing where the evidence bears none. JSON rows also have `prognoses`: each outcome with its AUC, the 95 %
/// interval, the control's AUC, and the numbers of images and patients.
///
/// With --pseudonym-key come last `patient` and `study_uid`, a pseudonym of the patient and a UID in place of the
/// study's, both empty where the file names none; and pseudonym_key, 8 digits that tell keys apart. They are those that
/// cxr dicom writes with the same key. cxr evaluate takes images of one `patient` together.
///
/// status is `ok`, `caution` (scores, and reasons to doubt them), `refused` (no scores), `skipped` (a
/// DICOM object without an image, such as a structured report; the reason names its kind) or `error`
/// (the file could not be read; the reason says why).
///
/// Files of a folder that look like images or archives in a format that is not read (HEIF, JPEG XL, NIfTI,
/// zip ...) have no row. They are counted and named on standard error, and the exit status is 1;
/// --list-unread gives each of them a row of status `unread`.
///
/// An existing table is not replaced. --resume continues it: rows whose file is unchanged stay, and files
/// that failed, are missing or have changed are read; a row that is taken out gets another in its place.
/// --append only adds rows, and none for a file that has one; it waits for another run that writes the
/// same FILE: xargs -n 20 cxr predict --append -o FILE. Both refuse a table of another model, precision,
/// preprocessing, calibration or prevalence.
///
/// Paths are written as given. Bytes that are not UTF-8, control characters and invisible characters
/// become \xNN, a backslash becomes \\, and a path that a spreadsheet would take for a formula gets
/// ./ before it. Other text that it would take for a formula gets an apostrophe.
///
/// --since TABLE leaves out images whose content (not name) that table has: the new table has only what came
/// since. --cache takes answers of the same model and version of cxr for the same content from the cache of
/// the screen, so that a second run over an archive costs little more than reading its bytes; their elapsed_ms
/// is 0.
///
/// A table in Parquet is written at the end; until then its rows are in FILE.partial, as CSV. Columns are
/// typed, reasons and withheld are lists, what is empty is null, and the file metadata (cxr.…) name the model,
/// its digest and its operating points.
///
/// With --shard K/N the table is one part of a run of N processes, for cxr merge. An image is in the shard
/// that a hash of its path below PATH says, and no other file changes that. Until the part is whole its rows are in
/// FILE.partial; then a last line is added that says what the part is, and it gets its name. A killed one
/// goes on with --resume. --shard auto is for a whole array of Slurm or AWS Batch; --shard auto/N takes
/// Slurm's id for K (--array=1-N), also where only some shards run again, and the index of a Kubernetes job
/// of N completions.
///
/// With --unit study a row is about a study, and all films of a study are in one shard: its Study Instance UID chooses
/// it. For each label the row has the highest number of its films with scores, and in `film: LABEL` the film that it is
/// of; `path` is the film of the label that stands out most (`highest_finding`), and there are counts of films, of
/// refused and of failed ones. `study` is a digest of the UID, which itself is not written. A film without that UID is
/// a study of its own; with --unit folder the films of a folder belong together. A study whose films name several
/// patients has no numbers. The rows of the films stay in FILE.films, for --resume. A shard of studies reads the first
/// kilobytes of every file, because only they say which study it is of.
///
/// A heat map is a PNG file of at most 1,024 pixels a side, readable by its owner only: the
/// radiograph in its default window, vermilion where the image speaks for the label, blue where it speaks
/// against it. Its name is NAME-HASH.png, after the image and the first 16 hexadecimal digits of the
/// SHA-256 of its path in the table. The file holds its label, the SHA-256 of the image's file, the model
/// and the meaning of the colours. A heat map of an earlier run is replaced only with --force, or if
/// --resume or --append reads its image again; if that image then gets none, the earlier one is removed.
/// An image whose heat map cannot be written is an `error`, so that --resume reads it again; rows that
/// --resume keeps get no new heat map.
///
/// An address of a PACS, https://HOST/dicom-web?Modality=DX,CR&StudyDate=20240101-, is read like a folder: films are
/// fetched as they are scored, and the path of a row is the address of its film, without the query. --resume does not
/// fetch films again whose rows stay, because a DICOM instance does not change. Credentials are in the environment
/// (CXR_PACS_TOKEN, or CXR_PACS_USER and CXR_PACS_PASSWORD), in ~/.netrc, or printed by the command of
/// `pacs-credentials` in the configuration; `cxr doctor --pacs ADDRESS` says what a server answers.
///
/// Exit status: 0 if every image was read, 1 if some could not be read or are in a format that is not
/// read, 2 for bad usage or if there was no image, 130 after Ctrl-C (the rows written so far stay
/// valid). Also 0 if the reader of standard output closes it, as head does.
#[derive(Debug, Args)]
pub struct Predict {
    /// Radiographs; folders, archives (zip, tar, tar.gz) or a DICOMDIR of them; or addresses of a PACS (DICOMweb)
    #[arg(value_name = "PATH", required_unless_present = "files_from")]
    pub paths: Vec<PathBuf>,

    /// Read the paths from FILE, or from standard input (-): one on each line, with all of its blanks. Addresses of a
    /// PACS may stand there too
    #[arg(long, value_name = "FILE", conflicts_with = "paths")]
    pub files_from: Option<PathBuf>,

    /// The paths of --files-from end in a zero byte and not in a line end, as find -print0 writes them
    #[arg(short = '0', long)]
    pub null: bool,

    /// Score one of N parts of the images: K/N, or auto or auto/N, which take K from Slurm, Kubernetes or
    /// AWS Batch
    #[arg(
        long,
        value_name = "K/N",
        requires = "output",
        conflicts_with = "append"
    )]
    pub shard: Option<ShardArgument>,

    /// What a row is about; a table of studies or folders needs -o FILE
    #[arg(long, value_enum, value_name = "UNIT", default_value_t = UnitArgument::Image)]
    pub unit: UnitArgument,

    /// Write to FILE instead of standard output (-)
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Format of the table [default: by the ending of FILE; csv on standard output]
    #[arg(short, long, value_enum)]
    pub format: Option<TableFormatArgument>,

    /// Prevalences in place of the card's.
    #[command(flatten)]
    pub assumptions: Assumptions,

    /// Whether the table has outcomes.
    #[command(flatten)]
    pub prognosis: PrognosisArguments,

    /// Number of images that are read at the same time [default: the number of cores]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,

    /// Continue FILE: keep the rows of unchanged files, and read files that are missing, failed or have
    /// changed
    #[arg(long, requires = "output")]
    pub resume: bool,

    /// Add rows to FILE, and change none of its rows
    #[arg(long, requires = "output", conflicts_with = "resume")]
    pub append: bool,

    /// Replace FILE, and heat maps of the same names, if they exist
    #[arg(long, conflicts_with_all = ["resume", "append"])]
    pub force: bool,

    /// Score only images whose content TABLE, of an earlier run by the same model, has no row for; may be
    /// repeated
    #[arg(long, value_name = "TABLE")]
    pub since: Vec<PathBuf>,

    /// Take predictions from the cache of the review store, and keep new ones there
    #[arg(long, conflicts_with = "heatmaps")]
    pub cache: bool,

    /// Add the pseudonyms of patient and study: the same for the same patient in every run with FILE, which
    /// holds at least 32 secret bytes
    #[arg(long, value_name = "FILE")]
    pub pseudonym_key: Option<PathBuf>,

    /// Write a heat map for each image with scores into DIR: it shows where, not how likely
    #[arg(long, value_name = "DIR")]
    pub heatmaps: Option<PathBuf>,

    /// The label of the heat maps [default: for each image, the label that is highest above its
    /// operating point]
    #[arg(long, value_name = "LABEL", requires = "heatmaps")]
    pub heatmap_label: Option<String>,

    /// Add a row for each file that looks like an image or an archive in a format that is not read
    #[arg(long)]
    pub list_unread: bool,

    /// No progress bar and no summary on standard error
    #[arg(short, long)]
    pub quiet: bool,
}

/// The format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TableFormatArgument {
    Csv,
    Tsv,
    Jsonl,
    Json,
    Parquet,
}

/// `--unit`: what a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UnitArgument {
    /// Each image
    Image,
    /// All images of a study, by its Study Instance UID
    Study,
    /// All images of a folder, not of those below it
    Folder,
}

/// `--shard`: which part of the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardArgument {
    /// K of N, both at least 1.
    Number { number: u32, of: u32 },
    /// As the engine says that started the process; the number of parts is given, or is its too.
    Auto { of: Option<u32> },
}

impl FromStr for ShardArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "K/N, auto or auto/N is what it takes";
        let count = |text: &str| match text.parse::<u32>() {
            Ok(0) => Err("there is no shard of none: N is at least 1".to_owned()),
            Ok(of) => Ok(of),
            Err(_) => Err(FORM.to_owned()),
        };
        match text.split_once('/') {
            None if text == "auto" => Ok(ShardArgument::Auto { of: None }),
            None => Err(FORM.to_owned()),
            Some(("auto", of)) => Ok(ShardArgument::Auto {
                of: Some(count(of)?),
            }),
            Some((number, of)) => {
                let of = count(of)?;
                match number.parse() {
                    Ok(number) if (1..=of).contains(&number) => {
                        Ok(ShardArgument::Number { number, of })
                    }
                    Ok(number) => Err(format!(
                        "there is no shard {number} of {of}: they are numbered from 1 to {of}"
                    )),
                    Err(_) => Err(FORM.to_owned()),
                }
            }
        }
    }
}
