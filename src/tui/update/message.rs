//! The messages that the screen takes in, and the effects that it asks for.

use std::path::Path;
use std::sync::Arc;

use crossterm::event::{KeyEvent, MouseEvent};
use ratatui::layout::Size;

use crate::domain::{Canvas, HeatMapChoice, Prevalences};
use crate::library::{KnownFile, Touched, UnreadFormat};
use crate::store::{News, Request};
use crate::tui::hooks::OpenTarget;
use crate::tui::model::{HeaderRead, PaneSizes, Panes};
use crate::tui::terminal::Tmux;
use crate::tui::worklist::Undated;
use crate::worker::{
    BackgroundJob, ComparisonJob, FileContent, Generation, HeaderBatch, HeaderJobs, ImageJob,
    JobOutcome, RenderRequest, ThumbnailJobs,
};

/// Everything that can happen to the screen.
pub enum Message {
    Key(KeyEvent),
    Mouse(MouseEvent),
    Paste(String),
    Resize(Size),
    /// Images and problems, in batches as the folder is walked.
    Found {
        images: Vec<Arc<Path>>,
        problems: Vec<String>,
    },
    /// Files of formats that cxr does not read, from the same walk.
    LeftOut(Vec<(Arc<Path>, UnreadFormat)>),
    ScanFinished,
    /// Files that changed since the walk. `asked`: the reader asked to look for changes; otherwise the system
    /// reported them.
    Touched {
        touched: Vec<Touched>,
        asked: bool,
    },
    /// Changes may have gone by unseen.
    LookAgain,
    /// Another walk over the folders has ended.
    LookedAgain,
    /// Changes of files are not reported, for this reason.
    Unwatched(String),
    /// When files were last modified, in seconds since 1970, by index.
    Dated(Vec<(u32, Option<f64>)>),
    /// What the headers of some files say of patient, time and view.
    Headers(HeaderBatch),
    /// Which images files hold that were reviewed earlier.
    Contents(Vec<FileContent>),
    /// The DICOM header of a file, or why it cannot be read.
    Header {
        source: Arc<Path>,
        read: Result<HeaderRead, String>,
    },
    /// What came of something that was done elsewhere, in a line.
    Finished(String),
    Worker(JobOutcome),
    Review(News),
    /// The screen was laid out: the places of its panes, and the pixels that the image may have, and those of the film
    /// beside it, if there is a place for one.
    LaidOut {
        panes: Panes,
        canvas: Canvas,
        compared: Option<Canvas>,
    },
    /// The pixels that a picture of the grid may have.
    GridLaidOut(Canvas),
    /// Messages that arrived together: nothing is drawn before all of them are handled.
    Several(Vec<Message>),
    /// The state after the last message is on the screen.
    Drawn,
    /// A moment has passed while work is under way.
    Tick,
    /// Another terminal is attached to tmux.
    Attached(Box<Tmux>),
    /// The terminal has answered, late or asked again, that it has the kitty graphics protocol.
    HasKitty,
    /// The program resumes after a suspension, or the screen may have been lost.
    Refresh,
    Suspend,
    /// A signal ends the program with this exit code.
    Quit(u8),
}

/// Work for the loop.
#[derive(Debug)]
pub enum Effect {
    /// Open, show and classify an image.
    Select(ImageJob),
    /// Show the same image in another view.
    Redraw(ImageJob),
    /// Open and show a film beside the selected one.
    Compare(ComparisonJob),
    /// Read what the headers of these files say of patient, time and view.
    ReadHeaders(HeaderJobs),
    /// Find out which images these files hold.
    ReadContents(Vec<Arc<Path>>),
    /// Score an image once the worker is idle.
    ScoreInBackground(BackgroundJob),
    /// Take back the background jobs that were not begun.
    CancelBackground,
    /// Classify with the model of this number from now on.
    UseModel(Generation, usize),
    /// Make the pictures that the grid lacks.
    MakeThumbnails(ThumbnailJobs),
    /// Send a request to the review log.
    Ask(Request),
    /// Walk the folders again, and compare with these files. `asked`: the reader wants to know what came of it.
    Rescan {
        known: Vec<KnownFile>,
        asked: bool,
    },
    /// Read the DICOM header of a file.
    ReadHeader(Arc<Path>),
    /// Find out when these files were last modified.
    Date(Undated),
    /// Paint every cell again.
    Repaint,
    /// Ask the terminal again what it can do.
    ProbeAgain,
    /// Put a text on the clipboard of the terminal.
    Copy(String),
    /// Write the picture of this selection to a file.
    SavePicture(Generation, RenderRequest),
    /// Write a report of this selection.
    WriteReport {
        generation: Generation,
        source: Arc<Path>,
        /// SHA-256 of the weights.
        model: String,
        heat_map: HeatMapChoice,
        assumed: Prevalences,
        /// With outcomes.
        foretells: bool,
    },
    /// Open this file, or its folder, in another program.
    Open(OpenTarget, Arc<Path>),
    /// Write down the sizes of the panes for the next time.
    Remember(PaneSizes),
    Suspend,
    /// With this exit code.
    Quit(u8),
}
