//! The state of the screen: plain data. `update` changes it, `view` draws it.

mod background;
mod blinded;
mod session;

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crossterm::event::KeyEvent;
use ratatui::layout::{Rect, Size};

pub use background::{BackgroundState, BackgroundStatus};
pub use blinded::{Asking, Blinded, Phase};
pub use session::{ReturnTarget, Session};

use super::keymap::{KeyMode, Keymap};
use super::look::WorklistColumns;
use super::worklist::{FilterPosition, Worklist};
use crate::domain::{
    Canvas, ContentId, DEFAULT_OPACITY, HeatMapChoice, HeatMapLayer, InputCheck, ModelCard,
    Opinion, Prediction, Prevalences, View,
};
use crate::worker::{Facts, Generation, Shown};

/// Work that takes longer than this gets a sign that it goes on.
pub const PATIENCE_MS: u128 = 150;

pub struct Model {
    pub keymap: Keymap,
    pub worklist: Worklist,
    pub viewer: Viewer,
    pub engine: ClassifierState,
    /// The models that there are to switch between.
    pub choices: Choices,
    /// Prevalences that are assumed instead of the card's. What the classifier said is kept as it
    /// was; [`Model::shown`] is what a reader sees.
    pub assumed: Prevalences,
    pub mode: KeyMode,
    /// Keys of a sequence that is not complete yet.
    pub pending: Vec<KeyEvent>,
    pub overlay: Option<Overlay>,
    /// Which image a note, a disagreement or a call is about that is being entered.
    pub about: Option<(Arc<Path>, ContentId)>,
    /// One line that the last action left, until the next key.
    pub notice: Option<String>,
    /// Whether patient name and identifier are shown.
    pub identity: bool,
    pub size: Size,
    /// Where the panes were drawn last: the mouse needs to know.
    pub panes: Panes,
    /// Words for the device: `cpu`.
    pub device: String,
    /// How images are painted: `kitty`, `half-blocks`.
    pub painting: &'static str,
    /// Whether the terminal has colours, and may use them.
    pub colour: bool,
    pub heat_map: HeatMapSettings,
    pub reviews: Reviews,
    pub background: BackgroundStatus,
    /// Only while images are read blinded.
    pub blinded: Option<Blinded>,
    pub session: Session,
    /// Which page of the findings, where they do not fit; counted round and round.
    pub findings_page: isize,
    /// What a row of the worklist shows.
    pub columns: WorklistColumns,
    /// Frames since the start, for the sign of progress.
    pub ticks: u64,
}

/// Where things are on the screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Panes {
    /// Rows of the worklist, without its border.
    pub worklist: Rect,
    pub findings: Rect,
    /// Cells that the image may fill.
    pub image: Rect,
}

/// The image that is looked at.
#[derive(Default)]
pub struct Viewer {
    pub generation: Generation,
    pub source: Option<Arc<Path>>,
    pub facts: Option<Facts>,
    pub shown: Option<Shown>,
    pub view: View,
    pub canvas: Option<Canvas>,
    /// When the image was asked for, while it has not come.
    pub opening: Option<Instant>,
    /// When the classifier was asked, while it has not answered.
    pub classifying: Option<Instant>,
    /// Its heat map was asked for together with its scores.
    pub map_asked: bool,
    /// Its file was written to since it was opened: it is to be opened anew.
    pub is_outdated: bool,
}

/// Whether a heat map lies over the radiograph, and which. Stays when the selection moves: each
/// image has its own.
pub struct HeatMapSettings {
    pub on: bool,
    pub choice: HeatMapChoice,
    /// Of the deepest colour, 0 to 1.
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

/// A model that can be switched to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelChoice {
    pub name: String,
    /// Of its weights: what tells it from any other.
    pub sha256: String,
}

/// All of them, in the worker's order; none where nobody said which there are.
#[derive(Debug, Default)]
pub struct Choices {
    pub all: Vec<ModelChoice>,
    pub current: usize,
}

impl Choices {
    /// Its name, where there is another one to tell it from.
    pub fn name(&self) -> Option<&str> {
        let current = self.all.get(self.current).filter(|_| self.all.len() > 1);
        current.map(|choice| choice.name.as_str())
    }

    /// Whether this is the card of the model that is wanted.
    pub fn is_current(&self, card: &ModelCard) -> bool {
        let current = self.all.get(self.current);
        current.is_none_or(|choice| choice.sha256 == card.sha256)
    }
}

/// The classifier, as far as the screen knows.
pub enum ClassifierState {
    Loading,
    Ready(Box<ModelCard>),
    Failed(String),
}

/// What lies over the panes; one at a time.
pub enum Overlay {
    Help {
        scroll: u16,
    },
    About {
        scroll: u16,
    },
    LeftOut {
        scroll: u16,
    },
    Prompt(Prompt),
    /// Which label of these is wrong: one key of [`LABEL_KEYS`] says so.
    Disagree {
        labels: Vec<String>,
    },
    /// Which labels the reader sees, before the answer is shown or after.
    Call(Asking),
}

/// The keys of the first label, the second and so on.
pub const LABEL_KEYS: &str = "123456789abcdefghijklmnopqrstuvwxyz";

/// The key of none of the labels; it is none of [`LABEL_KEYS`].
pub const NONE_KEY: char = '0';

/// What the reader does with the reviews.
#[derive(Default)]
pub struct Reviews {
    /// In whose name.
    pub reviewer: String,
    /// What was said in this session, and what of it was taken back; the newest last.
    pub done: Vec<UndoStep>,
    pub undone: Vec<UndoStep>,
    /// Images whose answers were on the screen in this session.
    pub answers_shown: HashSet<ContentId>,
    /// How many reviews are not on the disk although it was tried, and why.
    pub waiting: Option<(usize, String)>,
    /// Asked once to leave nevertheless.
    pub leaving: bool,
}

/// One change of what is held of an image.
pub struct UndoStep {
    pub source: Arc<Path>,
    /// Which image was on the screen.
    pub content: ContentId,
    pub before: Opinion,
    pub after: Opinion,
}

/// Characters of a note. A longer one is not taken, and nothing is cut off.
pub const LONGEST_NOTE: usize = 2_000;

/// A line being typed in the footer.
pub struct Prompt {
    pub kind: PromptKind,
    pub text: String,
    /// Where to come back to if it is abandoned.
    pub place: FilterPosition,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptKind {
    Filter,
    Jump,
    /// `LABEL=SHARE`
    Prevalence,
    Note,
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
            pending: Vec::new(),
            overlay: None,
            about: None,
            notice: None,
            identity: false,
            size,
            panes: Panes::default(),
            device: "cpu".to_owned(),
            painting,
            colour: true,
            heat_map: HeatMapSettings::default(),
            reviews: Reviews::default(),
            background: BackgroundStatus::default(),
            blinded: None,
            session: Session::default(),
            findings_page: 0,
            columns: WorklistColumns::default(),
            ticks: 0,
        }
    }

    /// What the classifier says of the image on the screen, and of no other; nothing that a reader
    /// who reads blinded must not see yet.
    pub fn prediction(&self) -> Option<&Prediction> {
        let entry = self.worklist.selected()?;
        let said = (!self.worklist.is_hidden(entry)).then(|| entry.prediction())??;
        let is_of_another = self
            .content_of(&entry.path)
            .is_some_and(|content| said.content != content);
        (!is_of_another).then_some(said)
    }

    /// Which image is on the screen, if it is the one at that path and has been opened.
    pub fn content_of(&self, path: &Path) -> Option<ContentId> {
        let viewer = &self.viewer;
        let is_it = viewer.source.as_deref() == Some(path);
        viewer.facts.as_ref().filter(|_| is_it).map(|f| f.content)
    }

    /// Whether there is an answer, be it hidden.
    pub fn is_answered(&self) -> bool {
        let selected = self.worklist.selected();
        selected.is_some_and(|entry| entry.prediction().is_some())
    }

    /// Whether the answer to the image on the screen waits for the reader's own call.
    pub fn is_hidden(&self) -> bool {
        let selected = self.worklist.selected();
        selected.is_some_and(|entry| self.worklist.is_hidden(entry))
    }

    /// Hides what the model says of each image until the reader has made their own call.
    pub fn read_blinded(&mut self, seed: Option<u64>) {
        self.worklist.read_blinded(seed);
        self.blinded = Some(Blinded {
            seed,
            ..Blinded::default()
        });
    }

    /// The heat map that is wanted over the image on the screen, as soon as there is one.
    pub fn heat_map_layer(&self) -> Option<HeatMapLayer> {
        let HeatMapSettings {
            on,
            choice,
            opacity,
        } = &self.heat_map;
        let said = self.prediction().filter(|_| *on)?;
        let map = said.shown_heat_map(choice)?;
        Some(HeatMapLayer {
            content: said.content,
            map: Arc::new(map),
            opacity: *opacity,
        })
    }

    /// Whether there could be a heat map and is none: what is read in the background has none.
    pub fn lacks_map(&self) -> bool {
        let lacks = |said: &Prediction| {
            said.activation.is_none() && !matches!(said.input, InputCheck::Refused(_))
        };
        let has_maps = self.card().is_some_and(ModelCard::has_heat_maps);
        has_maps && self.prediction().is_some_and(lacks)
    }

    /// A prediction at the prevalences that are assumed.
    pub fn shown<'a>(&self, prediction: &'a Prediction) -> Cow<'a, Prediction> {
        prediction.under(&self.assumed)
    }

    pub fn card(&self) -> Option<&ModelCard> {
        match &self.engine {
            ClassifierState::Ready(card) => Some(card),
            _ => None,
        }
    }

    /// Whether the loop is to say so once what is on the screen is drawn.
    pub fn awaits_drawing(&self) -> bool {
        matches!(&self.overlay, Some(Overlay::Call(asking)) if !asking.is_drawn)
    }

    /// Whether something is under way whose progress the screen should show.
    pub fn is_busy(&self) -> bool {
        self.worklist.is_scanning()
            || self.viewer.opening.is_some()
            || self.viewer.classifying.is_some()
    }

    /// A sign for work that takes noticeably long; nothing for work that does not.
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
