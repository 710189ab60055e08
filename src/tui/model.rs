//! The state of the screen as plain data: `update` changes it, `view` draws it.

mod background;
mod blinded;
mod comparison;
mod grid;
mod header;
mod hidden;
mod marking;
mod modes;
mod panes;
mod session;
mod sitting;

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crossterm::event::KeyEvent;
use ratatui::layout::Size;

pub use background::{BackgroundState, BackgroundStatus};
pub use blinded::{Asking, Blinded, Phase, StudySitting};
pub use comparison::{ComparedFilm, ComparisonKind, Counterpart, FilmComparison};
pub use grid::{Grid, GridLayout};
pub use header::{HeaderBox, HeaderRead};
pub use marking::{MarkDraft, MarkStep, Marking};
pub use panes::{Drag, DragKind, FilmSide, PaneSizes, Panes};
pub use session::{ReturnTarget, Session};
pub use sitting::{Sitting, SittingSummary};

use super::keymap::{KeyMode, Keymap};
use super::look::WorklistColumns;
use super::model_choice::ModelChoice;
use super::worklist::{FilterPosition, Worklist};
use crate::domain::{
    Canvas, ContentId, DEFAULT_OPACITY, HeatMapChoice, HeatMapLayer, InputCheck, LungFields,
    MarkLayer, ModelCard, Opinion, Prediction, Prevalences, View, Window,
};
use crate::worker::{Facts, Generation, Shown};

/// Work that takes longer than this, in milliseconds, gets a sign of progress.
pub const PATIENCE_MS: u128 = 150;

/// The whole state of the screen.
pub struct Model {
    pub keymap: Keymap,
    pub worklist: Worklist,
    pub viewer: Viewer,
    pub engine: ClassifierState,
    /// The models that the reader can switch between.
    pub choices: Choices,
    /// Prevalences that are assumed instead of the card's. Stored predictions stay as the classifier made
    /// them; [`Model::shown`] gives a prediction as the reader sees it.
    pub assumed: Prevalences,
    /// The mode of the keys. It is changed by [`Model::enter_mode`] and [`Model::leave_mode`] alone.
    pub mode: KeyMode,
    /// The modes that were on when the present one began, the outermost first: each comes back when the one over it ends.
    pub modes_below: Vec<KeyMode>,
    /// Keys of a sequence that is not complete yet.
    pub pending: Vec<KeyEvent>,
    pub overlay: Option<Overlay>,
    /// The image that was on the screen when the note, disagreement or call being entered was begun.
    pub about: Option<(Arc<Path>, ContentId)>,
    /// One line about the last action, shown until the next key.
    pub notice: Option<String>,
    /// Whether patient name and identifier are shown.
    wants_identity: bool,
    /// Whether outcomes are shown, where the model foretells some.
    pub prognosis: bool,
    pub size: Size,
    /// Where the panes were drawn last; a mouse event is resolved against them.
    pub panes: Panes,
    pub sizes: PaneSizes,
    /// Only while a button of the mouse is held.
    pub drag: Option<Drag>,
    /// Whether the reader is here for the first time and has pressed no key yet.
    pub is_first_time: bool,
    /// The device that computes, in a word: `cpu`.
    pub device: String,
    /// The name of the painter: `kitty`, `half-blocks`; `off` without one.
    pub painting: &'static str,
    /// Whether the screen is drawn in colours.
    pub colour: bool,
    /// Only while pictures are coarser than the terminal could show them.
    pub coarse: Option<Coarse>,
    pub heat_map: HeatMapSettings,
    pub comparison: FilmComparison,
    pub marking: Marking,
    pub reviews: Reviews,
    pub background: BackgroundStatus,
    pub disk: DiskLook,
    /// Only while images are read blinded.
    pub blinded: Option<Blinded>,
    pub session: Session,
    pub sitting: Sitting,
    pub grid: Grid,
    /// The page of the findings, where they do not fit on one. The view takes it modulo the number of
    /// pages.
    pub findings_page: isize,
    /// The columns of a worklist row.
    pub columns: WorklistColumns,
    /// Ticks since the start, for the sign of progress.
    pub ticks: u64,
}

/// Walks over the folders that are already open, to find changes that nobody reported.
#[derive(Default)]
pub struct DiskLook {
    /// One is under way.
    pub is_walking: bool,
    /// Another one is to follow.
    pub is_due: bool,
    /// The reader wants to know what comes of that one.
    pub is_asked: bool,
    /// Why changes are not reported, until that is said.
    pub unwatched: Option<String>,
}

/// Pictures are coarser than the terminal could show them.
pub struct Coarse {
    /// The reason, in a line.
    pub words: String,
    /// The reader has pressed a key since the line was first shown.
    pub is_read: bool,
}

impl Coarse {
    /// A reason that was not shown yet.
    pub fn new(words: String) -> Self {
        Coarse {
            words,
            is_read: false,
        }
    }
}

/// What the reader looks for in the help.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// Only lines with this text are shown.
    pub text: String,
    /// The text is being typed.
    pub is_typed: bool,
}

/// The image on the screen.
#[derive(Default)]
pub struct Viewer {
    pub generation: Generation,
    pub source: Option<Arc<Path>>,
    pub facts: Option<Facts>,
    pub shown: Option<Shown>,
    pub view: View,
    pub canvas: Option<Canvas>,
    /// When the image was requested, until it arrives.
    pub opening: Option<Instant>,
    /// When the classifier was asked, until it answers.
    pub classifying: Option<Instant>,
    /// Whether its heat map was requested together with its scores.
    pub map_asked: bool,
    /// Whether its file was written to since it was opened, so that it has to be opened again.
    pub is_outdated: bool,
    /// Its lung fields, with the image that they are of. `None` if its prediction has not come from a model since it
    /// was selected.
    pub lungs: Option<(ContentId, Arc<LungFields>)>,
    /// The marks that were last asked to be drawn over it.
    pub marks: Option<Arc<MarkLayer>>,
}

/// Whether a heat map lies over the radiograph, and which one. The settings stay when the selection moves;
/// the map is always that of the selected image.
pub struct HeatMapSettings {
    pub on: bool,
    pub choice: HeatMapChoice,
    /// Opacity of the deepest colour, 0 to 1.
    pub opacity: f32,
}

impl Default for HeatMapSettings {
    fn default() -> Self {
        HeatMapSettings {
            on: false,
            choice: HeatMapChoice::default(),
            opacity: DEFAULT_OPACITY,
        }
    }
}

/// The models to switch between, in the worker's order; empty where the caller named none.
#[derive(Debug, Default)]
pub struct Choices {
    pub all: Vec<ModelChoice>,
    pub current: usize,
}

impl Choices {
    /// The name of the current model, if there is more than one.
    pub fn name(&self) -> Option<&str> {
        let current = self.all.get(self.current).filter(|_| self.all.len() > 1);
        current.map(|choice| choice.name.as_str())
    }

    /// What a model is called: its name, or else the beginning of its SHA-256.
    pub fn name_of<'a>(&'a self, sha256: &'a str) -> &'a str {
        let known = self.all.iter().find(|choice| choice.sha256 == sha256);
        let digest = || sha256.get(..12).unwrap_or(sha256);
        known.map_or_else(digest, |choice| choice.name.as_str())
    }

    /// Whether this is the card of the current model.
    pub fn is_current(&self, card: &ModelCard) -> bool {
        let current = self.all.get(self.current);
        current.is_none_or(|choice| choice.sha256 == card.sha256)
    }
}

/// The state of the classifier, as far as the screen knows.
pub enum ClassifierState {
    Loading,
    Ready(Box<ModelCard>),
    Failed(String),
}

/// A box or a question over the panes; there is at most one. `scroll` is the number of lines above the first one that is
/// shown, or, below 0, counts from the end: −1 is the end, −2 one line before it.
pub enum Overlay {
    Help {
        scroll: i32,
        search: Search,
    },
    /// The meaning of the signs.
    Legend {
        scroll: i32,
    },
    /// The whole path of the selected image.
    Path {
        scroll: i32,
    },
    About {
        scroll: i32,
    },
    LeftOut {
        scroll: i32,
    },
    /// The DICOM header of an image.
    Header(HeaderBox),
    Prompt(Prompt),
    /// Asks which of these labels is wrong; each has a key of [`LABEL_KEYS`].
    Disagree {
        labels: Vec<String>,
    },
    /// Asks which labels the reader sees, before or after the model's answer is shown.
    Call(Asking),
}

/// The keys of the labels, in their order.
pub const LABEL_KEYS: &str = "123456789abcdefghijklmnopqrstuvwxyz";

/// The key for none of the labels; it is not one of [`LABEL_KEYS`].
pub const NONE_KEY: char = '0';

/// The reviews of this session.
#[derive(Default)]
pub struct Reviews {
    /// The name recorded with each review.
    pub reviewer: String,
    /// The number of reviews that were made: the number of the newest one.
    pub count: u64,
    /// The steps that can be undone, the newest last.
    pub done: Vec<UndoStep>,
    /// The steps that can be redone, the one undone last at the end.
    pub undone: Vec<UndoStep>,
    /// Images whose answers were on the screen in this session.
    pub answers_shown: HashSet<ContentId>,
    /// The number of reviews that could not be saved yet, and why.
    pub waiting: Option<(usize, String)>,
    /// Whether the reader has pressed the key to quit once although reviews are waiting.
    pub leaving: bool,
}

/// One change of the reader's opinion on an image.
pub struct UndoStep {
    /// The number of the review that made it.
    pub number: u64,
    pub source: Arc<Path>,
    /// The image that was on the screen.
    pub content: ContentId,
    /// As the reader saw it, and once the review is in the log, as it was there: another session may have changed it.
    pub before: Opinion,
    pub after: Opinion,
}

/// The most characters that a note may have. A longer note is not accepted; it is never cut.
pub const LONGEST_NOTE: usize = 2_000;

/// A line that is being typed in the footer.
pub struct Prompt {
    pub kind: PromptKind,
    pub text: String,
    /// The filter and selection to return to if the prompt is abandoned.
    pub before: FilterPosition,
}

/// The subject of a [`Prompt`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptKind {
    Filter,
    Jump,
    /// `LABEL=SHARE`
    Prevalence,
    Note,
    /// Of a mark, with a confidence.
    MarkLabel,
}

impl Model {
    pub fn new(keymap: Keymap, size: Size, painting: &'static str) -> Self {
        Model {
            keymap,
            worklist: Worklist::default(),
            viewer: Viewer::default(),
            engine: ClassifierState::Loading,
            choices: Choices::default(),
            assumed: Prevalences::default(),
            mode: KeyMode::default(),
            modes_below: Vec::new(),
            pending: Vec::new(),
            overlay: None,
            about: None,
            notice: None,
            wants_identity: false,
            prognosis: false,
            size,
            panes: Panes::default(),
            sizes: PaneSizes::default(),
            drag: None,
            is_first_time: false,
            device: "cpu".to_owned(),
            painting,
            colour: true,
            coarse: None,
            heat_map: HeatMapSettings::default(),
            comparison: FilmComparison::default(),
            marking: Marking::default(),
            reviews: Reviews::default(),
            background: BackgroundStatus::default(),
            disk: DiskLook::default(),
            blinded: None,
            session: Session::default(),
            sitting: Sitting::default(),
            grid: Grid::default(),
            findings_page: 0,
            columns: WorklistColumns::default(),
            ticks: 0,
        }
    }

    /// The prediction for the image on the screen; `None` while there is none for that very image, or
    /// while blinded reading hides it.
    pub fn prediction(&self) -> Option<&Prediction> {
        let entry = self.worklist.selected()?;
        let prediction = (!self.worklist.is_hidden(entry)).then(|| entry.prediction())??;
        let is_of_another = self
            .content_of(&entry.path)
            .is_some_and(|content| prediction.content != content);
        (!is_of_another).then_some(prediction)
    }

    /// The identity of the image on the screen, if it is the one at `path` and has been opened.
    pub fn content_of(&self, path: &Path) -> Option<ContentId> {
        let viewer = &self.viewer;
        let is_on_screen = viewer.source.as_deref() == Some(path);
        let facts = viewer.facts.as_ref().filter(|_| is_on_screen);
        facts.map(|facts| facts.content)
    }

    /// Whether the model has answered for the selected image, even if the answer is hidden.
    pub fn is_answered(&self) -> bool {
        let selected = self.worklist.selected();
        selected.is_some_and(|entry| entry.prediction().is_some())
    }

    /// The summary of this sitting, by what is in the log; `None` where no image was reviewed.
    pub fn summary(&self) -> Option<SittingSummary> {
        self.sitting.summary(self.blinded.is_some(), Instant::now())
    }

    /// The heat map to lay over the image on the screen; `None` while it is off or not there yet.
    pub fn heat_map_layer(&self) -> Option<HeatMapLayer> {
        let HeatMapSettings {
            on,
            choice,
            opacity,
        } = &self.heat_map;
        let prediction = self.prediction().filter(|_| *on)?;
        let map = match choice {
            HeatMapChoice::Lungs => self.lung_fields()?.outline(),
            choice => prediction.shown_heat_map(choice)?,
        };
        Some(HeatMapLayer {
            content: prediction.content,
            map: Arc::new(map),
            opacity: *opacity,
        })
    }

    /// Whether the model can make a heat map of this image and has not: background scoring makes none.
    pub fn lacks_map(&self) -> bool {
        let lacks = |prediction: &Prediction| {
            let is_refused = matches!(prediction.input, InputCheck::Refused(_));
            let is_there = match self.heat_map.choice {
                HeatMapChoice::Lungs => self.lung_fields().is_some(),
                _ => prediction.activation.is_some(),
            };
            !is_there && !is_refused
        };
        let has_maps = self.card().is_some_and(ModelCard::has_heat_maps);
        has_maps && self.prediction().is_some_and(lacks)
    }

    /// The lung fields of the image on the screen, if its prediction may be shown.
    pub fn lung_fields(&self) -> Option<&LungFields> {
        let (content, fields) = self.viewer.lungs.as_ref()?;
        let prediction = self.prediction()?;
        (*content == prediction.content).then_some(&**fields)
    }

    /// A prediction as the reader sees it: at the assumed prevalences.
    pub fn shown<'a>(&self, prediction: &'a Prediction) -> Cow<'a, Prediction> {
        prediction.under(&self.assumed)
    }

    /// The card of the model in use, once it is loaded.
    pub fn card(&self) -> Option<&ModelCard> {
        match &self.engine {
            ClassifierState::Ready(card) => Some(card),
            _ => None,
        }
    }

    /// Whether the loop has to report when the next frame is drawn: a call is committed only if the reader
    /// could see what was chosen.
    pub fn awaits_drawing(&self) -> bool {
        matches!(&self.overlay, Some(Overlay::Call(asking)) if !asking.is_drawn)
    }

    /// Whether background scoring is paused and images are left to score.
    pub fn is_paused(&self) -> bool {
        let is_paused = self.background.state == BackgroundState::Paused;
        is_paused && self.worklist.read() < self.worklist.total()
    }

    /// Whether a stored pixel of the image is as wide as a pixel of the picture.
    pub fn is_one_to_one(&self) -> bool {
        let zoom = self.one_to_one();
        zoom.is_some_and(|zoom| (zoom - self.viewer.view.zoom).abs() < 1e-9 * zoom)
    }

    /// The zoom at which it is; `None` without an image.
    pub fn one_to_one(&self) -> Option<f64> {
        let (facts, canvas) = (self.viewer.facts.as_ref()?, self.viewer.canvas?);
        View::one_to_one(canvas, facts.shape())
    }

    /// Whether the picture is shown through the table of its file: the numbers of its window are only the table's range.
    pub fn shows_table(&self) -> bool {
        let viewer = &self.viewer;
        let (Some(facts), Some(shown)) = (&viewer.facts, &viewer.shown) else {
            return false;
        };
        viewer.view.window == Window::File && facts.table_range == Some(shown.window)
    }

    /// Whether the histogram stands in place of the findings: while the window is being set.
    pub fn shows_histogram(&self) -> bool {
        let is_dragged = self.drag.is_some_and(|drag| drag.kind == DragKind::Window);
        (self.mode == KeyMode::Window || is_dragged) && self.viewer.facts.is_some()
    }

    /// Whether work is under way whose progress the screen should show.
    pub fn is_busy(&self) -> bool {
        self.worklist.is_scanning()
            || self.viewer.opening.is_some()
            || self.viewer.classifying.is_some()
    }

    /// A sign that turns with the ticks, for work that has taken noticeably long since `since`; otherwise
    /// nothing.
    pub fn progress_sign(&self, since: Option<Instant>) -> &'static str {
        const SIGNS: [&str; 8] = ["⣷", "⣯", "⣟", "⡿", "⢿", "⣻", "⣽", "⣾"];
        match since {
            Some(start) if start.elapsed().as_millis() >= PATIENCE_MS => {
                SIGNS[self.ticks as usize % SIGNS.len()]
            }
            _ => "",
        }
    }
}
