//! `cxr export`, `cxr agreement` and `cxr report`: the verdicts of readers.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};

use super::{Assumptions, PrognosisArguments, ReferenceArguments};

/// Write the reviews as a table, or check that the log of them is whole
///
/// One row for each image and reviewer, with the reader's last word: columns path, image_sha256,
/// study_uid, series_uid, sop_uid, patient_id (only with --with-patient) or patient (only with
/// --pseudonym-key), reviewer, verdict, disagreed_label, key_image, note, first_at, last_at, entries, unaided_call, unaided_ms, aided_call,
/// aided_ms, order_seed, order_position, answer_seen_before (of blinded reading), input_check, reasons,
/// geographic_extent, opacity, window_centre, window_width, model_sha256, preprocess, cxr_version,
/// and score:LABEL for each label of the models that were used, by name; then, if a review has them,
/// evidence_in_lungs and cardiothoracic_ratio; unaided_ratings, aided_ratings, reading_mode and study_sha256; and marks
/// (how many). Scores, severity, window and model are those on the screen at that last word. JSON rows also have all of it
/// as `seen`.
///
/// Text that a spreadsheet would take for a formula gets an apostrophe before it, a path ./ . An existing
/// table is not replaced without --force.
///
/// Every row of the log is checked against the hash of the row before it. Rows that were edited, inserted
/// or removed are named, and no table is written without --damaged. --verify prints the hash of the last
/// row. Note it elsewhere: it also shows later whether the whole log was rewritten.
///
/// --summary writes, in place of the table, what each reviewer did: images, entries, sittings, verdicts,
/// disagreements by label, key images, notes, marked images, and the median time from one image to the next. It has no
/// path, no note and nothing of a patient. Verdicts on images that were read blinded are left out of it;
/// cxr agreement compares those.
///
/// The store has a second file (-wal) while cxr runs, and a copy of the first file alone is incomplete.
/// --backup makes a whole copy at any time.
///
/// Exit status: 0; 1 if the log is not whole or cannot be read; 2 for bad usage or if there is no store.
#[derive(Debug, Args)]
pub struct Export {
    /// Reviews of images below this folder (or of this file)
    #[arg(value_name = "FOLDER", conflicts_with = "all")]
    pub folder: Option<PathBuf>,

    /// Reviews of all images
    #[arg(long)]
    pub all: bool,

    /// Format of the table [default: by the ending of FILE; csv on standard output]
    #[arg(short, long, value_enum)]
    pub format: Option<ReviewFormat>,

    /// Write to FILE instead of standard output (-)
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Replace FILE, or the copy, if it exists
    #[arg(long)]
    pub force: bool,

    /// Include the DICOM patient identifier
    #[arg(long, conflicts_with = "pseudonym_key")]
    pub with_patient: bool,

    /// Include pseudonyms of patients, and UIDs in place of those of study, series and image: the same in
    /// every run with FILE, which holds at least 32 secret bytes. Notes are left out
    #[arg(long, value_name = "FILE")]
    pub pseudonym_key: Option<PathBuf>,

    /// What each reviewer did, in place of the table: text, or JSON with --format json [default: of all
    /// images]
    #[arg(long, conflicts_with_all = ["with_patient", "pseudonym_key", "backup"])]
    pub summary: bool,
    /// One row for each mark instead: its points in stored pixels, its measures, and by what they were measured
    #[arg(long, conflicts_with_all = ["pseudonym_key", "summary"])]
    pub marks: bool,

    /// Check that no row of the log was edited, inserted or removed
    #[arg(long)]
    pub verify: bool,

    /// Write the table although the log is not whole; the exit status is then 1
    #[arg(long, conflicts_with_all = ["verify", "backup"])]
    pub damaged: bool,

    /// Copy the whole store to this one file, which only its owner can read
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["folder", "all", "output", "format", "with_patient", "pseudonym_key", "verify", "marks"]
    )]
    pub backup: Option<PathBuf>,

    /// The store [default: cxr/reviews.sqlite in $XDG_STATE_HOME or ~/.local/state]
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
}

/// The format of a table of reviews.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReviewFormat {
    Csv,
    Tsv,
    Jsonl,
    Json,
    Parquet,
}

/// Compare blinded readers with the model and with the reference standard
///
/// For each reader and label, before (unaided) and after (aided) the model's answer was shown: how
/// often reader and model agree, and Cohen's kappa; with --manifest also sensitivity and specificity of
/// the reader and of the model, kappa with the reference standard, and the differences. Each figure has
/// its 95 % interval (bootstrap over patients; w: Wilson). What is undefined is n/a.
///
/// First stands the result of all readers together: with --manifest sensitivity and specificity aided and
/// unaided, over readers and patients as random samples (Obuchowski-Rockette with Hillis' degrees of
/// freedom; beside it for these readers, for these patients, and by the U-statistics of Gallas); agreement
/// between readers (Fleiss' and Cohen's kappa, Gwet's AC1, Krippendorff's alpha); each reader's tests; how
/// often the answer helped and misled, and automation bias. In a study with `[localisation]` in study.toml,
/// marks are compared with the boxes of the lesions: area under the weighted AFROC curve, by reader and mode.
///
/// The model is positive above its balanced operating point, at the prevalence of its card. A reader who
/// changed nothing after the answer was shown has two equal calls.
///
/// A row of the manifest belongs to the image with the content of its file, under any name. If that file
/// is missing, it belongs to the image at its path. Where path and content disagree, a message says so.
///
/// Exit status: 0; 1 if the log is not whole or the store cannot be read; 2 for bad usage or if there are no
/// blinded readings.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("reference").args(["study", "manifest"]).multiple(true))]
pub struct Agreement {
    /// Readings of images below this folder (or of this file) [default: all]
    #[arg(value_name = "FOLDER")]
    pub folder: Option<PathBuf>,

    /// The readings of this study, with its reference standard
    #[arg(long, value_name = "study.toml", conflicts_with_all = ["folder", "store"])]
    pub study: Option<PathBuf>,

    /// Only the readings of this reader; not with --report
    #[arg(long, value_name = "NAME")]
    pub reviewer: Option<String>,

    /// Format of the report
    #[arg(short, long, value_enum, default_value_t)]
    pub format: AgreementFormat,

    /// The log of reviews [default: cxr/reviews.sqlite in $XDG_STATE_HOME or ~/.local/state]
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,

    /// Also write the ratings (the calls, where there is no rating) and the reference standard as an input file for iMRMC. LABEL= is
    /// needed where readers were asked about several
    #[arg(long, value_name = "[LABEL=]FILE.imrmc", requires = "reference")]
    pub imrmc: Option<String>,

    /// Also write one page for printing, with the flow of cases, ROC curves, tables and methods of the study
    #[arg(long, value_name = "FILE.html", requires = "study")]
    pub report: Option<PathBuf>,

    /// Also write one row for each reader, image and label: calls, ratings, times, the model and the reference standard
    #[arg(long, value_name = "FILE.csv|.parquet")]
    pub table: Option<PathBuf>,

    /// Also write each figure: of each reader in each mode, the means, the differences with their tests, agreement of ratings, and
    /// reading times
    #[arg(long, value_name = "FILE.csv|.parquet")]
    pub figures: Option<PathBuf>,

    /// Also write one row for each mark and how it was scored, and one for each lesion that was missed; for a study with
    /// `[localisation]`
    #[arg(long, value_name = "FILE.csv|.parquet", requires = "study")]
    pub marks: Option<PathBuf>,

    /// Replace the files of --imrmc, --report, --table, --figures and --marks if they exist
    #[arg(long)]
    pub force: bool,

    /// In place of the reference standard of the study.
    #[command(flatten)]
    pub reference: ReferenceArguments,

    /// Column of lesions' boxes, `x y w h` in fractions of the film, joined by `;`: for the marks of a study with
    /// `[localisation]`
    #[arg(
        long,
        value_name = "COLUMN",
        requires_all = ["manifest", "study"],
        help_heading = "Reference standard"
    )]
    pub boxes_column: Option<String>,
}

/// The format of a comparison of readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum AgreementFormat {
    #[default]
    Text,
    Json,
}

/// Write one page about one image, for a case note
///
/// The page is one HTML file with its pictures inside, for an A4 sheet: it loads no other file and runs
/// no code. It shows the radiograph in its own window, the same with a heat map, the findings with their
/// operating points and 90 % sets, severity with its error, outcomes with their evidence if they are asked
/// for, the input check, the model, and the verdicts of readers on this image (by its content). An image that
/// the input check refuses has no numbers.
///
/// The page has the name of the image's file, and not the path of its folder.
///
/// Exit status: 0 if the page is written, 1 if the image cannot be read or the page cannot be written, 2
/// for bad usage, 130 after Ctrl-C (nothing is written).
#[derive(Debug, Args)]
pub struct ReportArguments {
    /// A radiograph
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,

    /// Write to FILE.html, readable by its owner only; - is standard output
    #[arg(short, long, value_name = "FILE.html")]
    pub output: PathBuf,

    /// Replace FILE.html if it exists
    #[arg(long)]
    pub force: bool,

    #[command(flatten)]
    pub assumptions: Assumptions,

    /// Whether the page has outcomes.
    #[command(flatten)]
    pub prognosis: PrognosisArguments,

    /// The label of the heat map [default: the label that is highest above its operating point]
    #[arg(long, value_name = "LABEL")]
    pub heatmap_label: Option<String>,

    /// Include patient name and identifier, and the UIDs of study and image
    #[arg(long, conflicts_with = "pseudonym_key")]
    pub with_patient: bool,

    /// Include a pseudonym of the patient and UIDs in place of those of study and image: the same in every
    /// run with FILE, which holds at least 32 secret bytes
    #[arg(long, value_name = "FILE")]
    pub pseudonym_key: Option<PathBuf>,

    /// The store of readers' verdicts [default: cxr/reviews.sqlite in $XDG_STATE_HOME or
    /// ~/.local/state]; a missing store is no error
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
}
