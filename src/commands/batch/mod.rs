//! Reading many images: what `predict`, `evaluate` and `adapt` share. Whatever happens to one image is its
//! reason, and the batch goes on.

mod ahead;
mod crew;
mod in_order;
mod known;
mod progress;
mod signals;

use std::any::Any;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Once;

pub use self::ahead::Ahead;
pub use self::crew::Crew;
use self::in_order::WORKER_THREAD;
pub use self::in_order::in_order;
pub use self::known::KnownFiles;
#[cfg(feature = "pull")]
pub use self::progress::download_bar;
pub use self::progress::{EarlierRows, Progress, StatusCounts};
pub use self::signals::Signals;
use super::complain;
use crate::domain::text::clean;
use crate::domain::{Failure, Prediction, Radiograph};
use crate::imaging::{DecodeLimits, Decoder, ImagingError, own_program};
use crate::inference::Classify;

/// Opens and classifies. `open` makes what one thread opens its files with.
pub struct BatchScorer<'a, Open> {
    pub classifier: &'a dyn Classify,
    pub open: Open,
    /// What else is made of an image; where that fails, so does the image.
    pub then: Option<&'a Then<'a>>,
}

/// See [`Reader::then`].
pub type Then<'a> = dyn Fn(&Path, &Radiograph, &Prediction) -> Result<(), String> + Sync + 'a;

impl<Open, Opener> BatchScorer<'_, Open>
where
    Open: Fn() -> Opener + Sync,
    Opener: FnMut(&Path) -> Result<Radiograph, ImagingError>,
{
    /// What one thread reads its images with; an image that cannot be read is a reason.
    pub fn thread(&self) -> impl FnMut(&Path) -> Result<Prediction, Failure> {
        guarded(&self.open, |path: &Path, radiograph: &Radiograph| {
            let prediction = self
                .classifier
                .classify(radiograph)
                .map_err(|error| clean(&error.to_string()))?;
            if let Some(then) = self.then {
                then(path, radiograph, &prediction)?;
            }
            Ok(prediction)
        })
    }
}

/// Opens an image and reads what `read` reads of it; an error or a panic of either is a reason.
pub fn guarded<Opener, T>(
    open: &impl Fn() -> Opener,
    read: impl Fn(&Path, &Radiograph) -> Result<T, String>,
) -> impl FnMut(&Path) -> Result<T, Failure>
where
    Opener: FnMut(&Path) -> Result<Radiograph, ImagingError>,
{
    let mut opener = open();
    move |path| {
        let reading = AssertUnwindSafe(|| {
            let radiograph = opener(path)?;
            read(path, &radiograph).map_err(Failure::Failed)
        });
        catch_unwind(reading).unwrap_or_else(|panic| {
            // What it was in the middle of is not to be relied on.
            opener = open();
            let message = clean(message(&*panic));
            Err(Failure::Failed(format!("cxr failed on it: {message}")))
        })
    }
}

/// Makes what one thread opens its files with: a decoder with a process of its own. All are within
/// one budget of memory.
pub fn decoders(limits: &DecodeLimits) -> impl Fn() -> Opener + Sync + use<> {
    let first = decoder(limits);
    move || {
        let decoder = first.beside();
        Box::new(move |path: &Path| opened(&decoder, path))
    }
}

/// Opens a film, and says once if that was in this process.
fn opened(decoder: &Decoder, path: &Path) -> Result<Radiograph, ImagingError> {
    static SAID: Once = Once::new();
    let film = decoder.open(path);
    if let Some(notice) = decoder.notice() {
        SAID.call_once(|| complain(&notice));
    }
    film
}

fn decoder(limits: &DecodeLimits) -> Decoder {
    Decoder::new(limits.clone(), own_program().ok())
}

/// What one thread opens its files with.
pub type Opener = Box<dyn FnMut(&Path) -> Result<Radiograph, ImagingError>>;

/// A panic of a worker becomes a row; its message would only tear the progress bar.
pub fn silence_workers() {
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if std::thread::current().name() != Some(WORKER_THREAD) {
            previous(info);
        }
    }));
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it panicked")
}
