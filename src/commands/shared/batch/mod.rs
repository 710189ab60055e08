//! Reading many images, for `predict`, `evaluate`, `adapt` and `report`. An image that fails has a
//! reason instead of a prediction, and the batch goes on.

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
pub use self::in_order::{AHEAD, Workers, in_order};
pub use self::known::KnownFiles;
#[cfg(feature = "pull")]
pub use self::progress::download_bar;
pub use self::progress::{EarlierRows, Progress, StatusCounts};
pub use self::signals::Signals;
use super::complain;
use crate::domain::text::clean;
use crate::domain::{Failure, Prediction, Radiograph, SourceHeader};
use crate::imaging::{DecodeLimits, Decoder, ImagingError, own_program};
use crate::inference::Classify;

/// Opens and scores images. Each thread calls `open` once, for the function that opens its files.
pub struct BatchScorer<'a, Open> {
    pub classifier: &'a dyn Classify,
    pub open: Open,
    /// A further step for each image; if it fails, so does the image.
    pub then: Option<&'a Then<'a>>,
}

/// See [`BatchScorer::then`].
pub type Then<'a> = dyn Fn(&Path, &Radiograph, &Prediction) -> Result<(), String> + Sync + 'a;

impl<Open, Opener> BatchScorer<'_, Open>
where
    Open: Fn() -> Opener + Sync,
    Opener: FnMut(&Path) -> Result<Radiograph, ImagingError>,
{
    /// Returns the function with which one thread scores its images. An image that cannot be read gives
    /// a reason.
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

/// Opens an image and passes it to `read`. An error or a panic of either becomes a reason.
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
            // The panic may have left the old one in any state.
            opener = open();
            let message = clean(message(&*panic));
            Err(Failure::Failed(format!("cxr failed on it: {message}")))
        })
    }
}

/// Returns a function that each thread calls once, for the function that opens its files in a decoder
/// process of its own. All of them share one memory budget.
pub fn decoders(limits: &DecodeLimits) -> impl Fn() -> Opener + Sync + use<> {
    let first = decoder(limits);
    move || {
        let decoder = first.beside();
        Box::new(move |path: &Path| opened(&decoder, path))
    }
}

/// Opens an image, and says once if that was done in this process.
fn opened(decoder: &Decoder, path: &Path) -> Result<Radiograph, ImagingError> {
    static SAID: Once = Once::new();
    let radiograph = decoder.open(path);
    if let Some(notice) = decoder.notice() {
        SAID.call_once(|| complain(&notice));
    }
    radiograph
}

/// Returns a function that each thread calls once, for the function that reads the headers of its files in a decoder
/// process of its own.
pub fn header_readers(limits: &DecodeLimits) -> impl Fn() -> ReadHeader + Sync + use<> {
    let first = decoder(limits);
    move || {
        let decoder = first.beside();
        Box::new(move |path: &Path| decoder.header(path))
    }
}

/// The function with which one thread reads headers.
pub type ReadHeader = Box<dyn FnMut(&Path) -> Result<SourceHeader, ImagingError>>;

fn decoder(limits: &DecodeLimits) -> Decoder {
    Decoder::new(limits.clone(), own_program().ok())
}

/// The function with which one thread opens its files.
pub type Opener = Box<dyn FnMut(&Path) -> Result<Radiograph, ImagingError>>;

/// Keeps panics of worker threads off standard error, where they would tear the progress bar. They
/// become rows.
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
