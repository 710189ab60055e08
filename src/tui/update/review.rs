//! Verdicts, flags and notes on the image on the screen.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::image::canvas_and_shape;
use super::{Effect, heat_map, keeping_selection, open_prompt, say};
use crate::domain::text::clean;
use crate::domain::{
    Act, BlindedReading, Causes, ContentId, Finding, HeatMapSubject, Opinion, OpinionChange,
    Prediction, Question, ReadingMode, Review, Seen, Verdict,
};
use crate::store::{News, Request, ReviewDraft};
use crate::tui::keymap::Action;
use crate::tui::model::{LABEL_KEYS, Model, NONE_KEY, Overlay, PromptKind, Reviews, UndoStep};

/// The notice where the log holds more than the screen did.
const MERGED: &str = "another session in your name has reviewed this image too: both are shown";
/// The notice where a line was typed about an image that is no longer on the screen.
const ANOTHER: &str = "another image came on the screen: nothing recorded";
/// The label of a disagreement with a refusal, where there are no scores.
const REFUSAL: &str = "input check";

/// The notice where the reader's opinion is hidden.
pub(super) fn remember_to_call(model: &Model) -> String {
    let key = model.keymap.display_key(Action::Call);
    format!("your flags, notes and marks are hidden until you have made your own call: press {key}")
}

/// Performs one of the review actions.
pub fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Agree => judge_answer(model, Verdict::Agree),
        Action::Disagree => ask_for_label(model),
        Action::Unsure => judge_answer(model, Verdict::Unsure),
        Action::KeyImage | Action::Note if is_beside_hidden(model) => {
            let words = remember_to_call(model);
            say(model, &words)
        }
        Action::KeyImage => judge(model, Act::Flagged, |opinion| {
            opinion.key_image = !opinion.key_image;
        }),
        Action::Note => match selected(model) {
            Ok((source, content, opinion)) => {
                model.about = Some((source, content));
                open_prompt(model, PromptKind::Note, opinion.note)
            }
            Err(reason) => say(model, reason),
        },
        Action::Undo => step_back(model),
        Action::Redo => step_again(model),
        _ => to_next_unreviewed(model),
    }
}

/// Whether the reader has an opinion on the image that stays hidden until their own call, because it was
/// formed beside the answer.
pub(super) fn is_beside_hidden(model: &Model) -> bool {
    let list = &model.worklist;
    let selected = list.selected();
    let has_opinion = selected.is_some_and(|entry| entry.opinion_state.is_some());
    has_opinion && list.shown_opinion(list.cursor()).is_none()
}

fn judge_answer(model: &mut Model, verdict: Verdict) -> Vec<Effect> {
    if selected(model).is_ok() && model.prediction().is_none() {
        let words = nothing_to_judge(model);
        return say(model, &words);
    }
    judge(model, Act::Judged, |opinion| {
        (opinion.verdict, opinion.label) = (Some(verdict), None);
    })
}

fn nothing_to_judge(model: &Model) -> String {
    let stays_hidden = model
        .study_sitting()
        .is_some_and(|sitting| sitting.mode == ReadingMode::Unaided);
    if stays_hidden {
        "the answer stays hidden in this sitting".to_owned()
    } else if model.is_hidden() {
        let key = model.keymap.display_key(Action::Call);
        format!("hidden until you have made your own call: press {key}")
    } else {
        "the model has not answered: nothing to judge yet".to_owned()
    }
}

/// Asks which of the labels on the screen is wrong. A refused image has no labels, so the disagreement is with
/// the refusal.
fn ask_for_label(model: &mut Model) -> Vec<Effect> {
    match selected(model) {
        Ok((source, content, _)) => model.about = Some((source, content)),
        Err(reason) => return say(model, reason),
    }
    let Some(prediction) = model.prediction() else {
        let words = nothing_to_judge(model);
        return say(model, &words);
    };
    let are_causes_shown = matches!(prediction.causes(), Causes::Told(_));
    let is_shown = |finding: &&Finding| finding.question == Question::Presence || are_causes_shown;
    let labels: Vec<String> = prediction
        .findings
        .iter()
        .filter(is_shown)
        .map(|finding| finding.label.name().to_owned())
        .collect();
    if labels.is_empty() {
        return disagree(model, Some(REFUSAL));
    }
    model.overlay = Some(Overlay::Disagree { labels });
    vec![]
}

/// Handles the key after *disagree*: that of a label, or [`NONE_KEY`] for the answer in general. Any other key
/// cancels.
pub fn on_label_key(model: &mut Model, labels: &[String], key: KeyEvent) -> Vec<Effect> {
    let plain = !key
        .modifiers
        .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    let label = match key.code {
        KeyCode::Char(NONE_KEY) if plain => return disagree(model, None),
        KeyCode::Char(c) if plain => LABEL_KEYS.find(c).and_then(|at| labels.get(at)),
        _ => None,
    };
    match label {
        Some(label) => disagree(model, Some(label)),
        None => say(model, "cancelled, no verdict recorded"),
    }
}

/// Records a disagreement with a label, or with the answer in general.
fn disagree(model: &mut Model, label: Option<&str>) -> Vec<Effect> {
    judge(model, Act::Judged, |opinion| {
        opinion.verdict = Some(Verdict::Disagree);
        opinion.label = label.map(str::to_owned);
    })
}

/// Records a note.
pub fn note(model: &mut Model, text: &str) -> Vec<Effect> {
    let note = clean(text);
    let effects = judge(model, Act::Noted, |opinion| opinion.note = note.clone());
    // A note that could not be recorded is shown with the reason, so that it is not lost.
    if let Some(notice) = model.notice.as_mut().filter(|_| effects.is_empty()) {
        notice.push_str(&format!(" (“{note}”)"));
    }
    effects
}

/// The image on the screen and the reader's opinion on it.
///
/// # Errors
/// The reason why nothing can be recorded about it now.
pub(super) fn selected(model: &Model) -> Result<(Arc<Path>, ContentId, Opinion), &'static str> {
    let Some(entry) = model.worklist.selected() else {
        return Err("no image to judge");
    };
    if model.grid.is_open {
        return Err(super::grid::OPEN_FIRST);
    }
    let viewer = &model.viewer;
    let is_painted = viewer.canvas.is_some_and(|canvas| canvas.width > 0);
    let is_visible = viewer.shown.is_some() || !is_painted;
    let Some(content) = model.content_of(&entry.path).filter(|_| is_visible) else {
        return Err("the image is not on the screen yet: nothing to judge");
    };
    let shown = viewer.shown.as_ref().map(|shown| shown.content);
    let known = [
        shown,
        entry.content,
        model.prediction().map(|prediction| prediction.content),
    ];
    if known.into_iter().flatten().any(|other| other != content) {
        return Err("the file was replaced meanwhile: look at the new image first");
    }
    let sitting = model.study_sitting();
    if sitting.is_some_and(|sitting| !sitting.cases.contains(&content)) {
        return Err(
            "not the film of the case list: its file was replaced, and nothing is recorded",
        );
    }
    Ok((entry.path.clone(), content, entry.opinion()))
}

/// Changes the reader's opinion on the image on the screen, and records the change.
pub(super) fn judge(model: &mut Model, act: Act, change: impl FnOnce(&mut Opinion)) -> Vec<Effect> {
    let (source, content, before) = match selected(model) {
        Ok(found) => found,
        Err(reason) => return say(model, reason),
    };
    // A filter, an order or a file that comes may have moved the selection while a line was typed.
    let about = model.about.take();
    if about.is_some_and(|about| about != (source.clone(), content)) {
        return say(model, ANOTHER);
    }
    let mut after = before.clone();
    change(&mut after);
    let state = model
        .worklist
        .selected()
        .and_then(|entry| entry.opinion_state.as_ref());
    let is_of_other_model = state.is_some_and(|state| state.is_of_other_model());
    let before = match after == before && act == Act::Judged && is_of_other_model {
        // It is the first one on what this model says.
        true => without_verdict(before),
        false => before,
    };
    if after == before {
        // Another session in the reader's name may hold another verdict: the log decides.
        let same_verdict = OpinionChange {
            judgement: OpinionChange::to(&after).judgement,
            ..OpinionChange::default()
        };
        return match act {
            Act::Judged => vec![record(model, source, content, act, same_verdict)],
            _ => vec![],
        };
    }
    let change = OpinionChange::between(&before, &after);
    let effect = record(model, source.clone(), content, act, change);
    model.reviews.undone.clear();
    model.reviews.done.push(UndoStep {
        number: model.reviews.count,
        source,
        content,
        before,
        after,
    });
    vec![effect]
}

fn without_verdict(opinion: Opinion) -> Opinion {
    Opinion {
        verdict: None,
        label: None,
        ..opinion
    }
}

/// Records a call of blinded reading. The first call cannot be undone: the reader has seen the answer since.
pub fn call(model: &mut Model, change: impl FnOnce(&mut Option<BlindedReading>)) -> Vec<Effect> {
    let effects = judge(model, Act::Called, |opinion| change(&mut opinion.blinded));
    let is_first = |step: &UndoStep| step.before.blinded.is_none() && step.after.blinded.is_some();
    if model.reviews.done.last().is_some_and(is_first) {
        model.reviews.done.pop();
    }
    effects
}

/// Undoes the last step by a new review that restores the earlier values. It restores only values that the
/// step changed and that are still as the step left them: another session may have changed others since.
fn step_back(model: &mut Model) -> Vec<Effect> {
    let Some(step) = model.reviews.done.pop() else {
        return say(model, "nothing to undo");
    };
    let change = OpinionChange::between(&step.after, &step.before).only_over(&step.after);
    if changes_nothing(model, &step, &change) {
        return say(
            model,
            "nothing left to undo: what is there now is of another step",
        );
    }
    let effects = go_and_record(model, &step, Act::Undone, change);
    model.reviews.undone.push(step);
    effects
}

/// Redoes the step that was undone last, in the same way.
fn step_again(model: &mut Model) -> Vec<Effect> {
    let Some(step) = model.reviews.undone.pop() else {
        return say(model, "nothing to redo");
    };
    let change = OpinionChange::between(&step.before, &step.after).only_over(&step.before);
    if changes_nothing(model, &step, &change) {
        return say(
            model,
            "nothing left to redo: what is there now is of another step",
        );
    }
    let effects = go_and_record(model, &step, Act::Redone, change);
    model.reviews.done.push(step);
    effects
}

/// Whether a change leaves the opinion as it is on the screen. What is not there is not known.
fn changes_nothing(model: &Model, step: &UndoStep, change: &OpinionChange) -> bool {
    let held = model.worklist.opinion_on(&step.source, step.content);
    held.is_some_and(|held| change.on(held) == *held)
}

/// Goes to the image of the step, so that the reader sees the change, and records it.
fn go_and_record(
    model: &mut Model,
    step: &UndoStep,
    act: Act,
    change: OpinionChange,
) -> Vec<Effect> {
    let (source, content) = (&step.source, step.content);
    let mut effects = match model.worklist.row_of(source) {
        Some(row) => keeping_selection(model, |model| model.worklist.go_to(row)),
        None => vec![],
    };
    let name = source.file_name().unwrap_or(source.as_os_str());
    let name = clean(&name.to_string_lossy());
    let is_replaced = model
        .worklist
        .content_at(source)
        .is_some_and(|there| there != content);
    let prefix = if is_replaced {
        "the image that was at "
    } else {
        ""
    };
    model.notice = Some(format!("{}: {prefix}{name}", act.word()));
    effects.push(record(model, source.clone(), content, act, change));
    effects
}

/// Applies a change to the worklist, and asks the log to record it with what was on the screen.
fn record(
    model: &mut Model,
    source: Arc<Path>,
    content: ContentId,
    act: Act,
    change: OpinionChange,
) -> Effect {
    let is_on_screen = model.content_of(&source) == Some(content);
    let facts = model.viewer.facts.as_ref().filter(|_| is_on_screen);
    let prediction = model.worklist.prediction_of(&source);
    let prediction = prediction
        .filter(|prediction| prediction.content == content)
        .cloned()
        .map(without_activation);
    model.reviews.count += 1;
    let draft = ReviewDraft {
        number: model.reviews.count,
        uids: facts.map(|facts| facts.uids.clone()).unwrap_or_default(),
        patient_id: facts.and_then(|facts| facts.patient.id.clone()),
        review: Review {
            reviewer: model.reviews.reviewer.clone(),
            at: SystemTime::now(),
            act,
            change: change.clone(),
            seen: seen(model, &source, prediction.clone(), is_on_screen),
        },
        prediction,
        source: source.clone(),
        content,
    };
    model.worklist.set_opinion(&source, content, &change);
    Effect::Ask(Request::Record(Box::new(draft)))
}

/// The prediction without its activation map and its lung fields, which are not stored.
fn without_activation(prediction: Prediction) -> Prediction {
    Prediction {
        activation: None,
        lung_fields: None,
        ..prediction
    }
}

/// What the reader saw when they made the review.
fn seen(model: &Model, source: &Path, prediction: Option<Prediction>, is_on_screen: bool) -> Seen {
    let prediction = prediction.filter(|_| !model.worklist.is_hidden_at(source));
    let were_outcomes_shown = is_on_screen && model.prognosis;
    let prediction = prediction.map(|prediction| {
        let mut prediction = prediction.assuming(&model.assumed);
        if !were_outcomes_shown {
            prediction.prognoses.clear();
        }
        prediction
    });
    if !is_on_screen {
        return Seen {
            prediction,
            ..Seen::default()
        };
    }
    let shown = model.viewer.shown.as_ref();
    let legend = shown.and_then(|shown| shown.legend.as_ref());
    Seen {
        prediction,
        window: shown.map(|shown| shown.window),
        inverted: model.viewer.view.inverted,
        zoom: model.viewer.view.zoom,
        part: canvas_and_shape(model)
            .and_then(|(canvas, shape)| model.viewer.view.shown_part(canvas, shape))
            .filter(|part| !part.is_whole()),
        heat_map: legend.map(|legend| match &legend.subject {
            HeatMapSubject::Label(label) => label.name().to_owned(),
            HeatMapSubject::Difference(a, b) => format!("{} − {}", a.name(), b.name()),
            HeatMapSubject::Attention => "attention".to_owned(),
            HeatMapSubject::Lungs => "lungs".to_owned(),
        }),
    }
}

fn to_next_unreviewed(model: &mut Model) -> Vec<Effect> {
    if let Some(row) = model.worklist.next_unreviewed() {
        return keeping_selection(model, |model| model.worklist.go_to(row));
    }
    let done = match model.blinded {
        Some(_) => "every image here is called",
        None => "every image here has a verdict",
    };
    match model.worklist.not_to_be_judged() {
        0 => say(model, done),
        n => say(model, &format!("{done}, but {n} that cannot be read")),
    }
}

/// Quits. While reviews are not saved yet, the reader has to ask twice.
pub fn quit(model: &mut Model) -> Vec<Effect> {
    match &model.reviews.waiting {
        Some((count, reason)) if !model.reviews.leaving => {
            let (reviews, them) = if *count == 1 {
                ("review", "it")
            } else {
                ("reviews", "them")
            };
            // What to do comes before the reason: a narrow screen cuts the end.
            let key = model.keymap.display_key(Action::Quit);
            model.notice = Some(format!(
                "{count} {reviews} not saved: press {key} again to quit and lose {them} ({reason})"
            ));
            model.reviews.leaving = true;
            vec![]
        }
        _ => vec![Effect::Quit(0)],
    }
}

/// Takes in news of the review log.
pub fn on_news(model: &mut Model, news: News) -> Vec<Effect> {
    match news {
        News::Standing(opinions) => model.worklist.set_saved_opinions(opinions),
        News::JudgedModels(models) => model.worklist.set_judged_models(models),
        News::KnownByPlace(paths) => return vec![Effect::ReadContents(paths)],
        News::AnswersSeen(images) => model.worklist.mark_answers_seen(images),
        News::LookedUp(count) => model.session.looked_up += count,
        News::Recorded {
            source,
            content,
            number,
            before,
            opinion,
        } => {
            let was_hidden = model.is_hidden();
            let Reviews { done, undone, .. } = &mut model.reviews;
            let mut steps = done.iter_mut().chain(undone);
            if let Some(step) = steps.find(|step| step.number == number) {
                (step.before, step.after) = (*before, (*opinion).clone());
            }
            model.sitting.note_recorded(content, &opinion);
            if model.worklist.confirm(&source, content, *opinion) {
                model.notice = Some(MERGED.to_owned());
            }
            // The call is saved, so the answer is shown now, and its heat map if that is on.
            if was_hidden && !model.is_hidden() {
                return heat_map::on_prediction(model);
            }
        }
        News::Refused {
            source,
            content,
            reason,
        } => {
            model.worklist.revert(&source, content);
            let Reviews { done, undone, .. } = &mut model.reviews;
            done.retain(|step| step.source != source);
            undone.retain(|step| step.source != source);
            model.notice = Some(format!("not recorded: {reason}"));
        }
        News::TakenUp { count, problems } => {
            model.notice = Some(taken_up(count, &problems));
        }
        News::Waiting { count: 0, .. } => model.reviews.waiting = None,
        News::Waiting { count, reason } => model.reviews.waiting = Some((count, clean(&reason))),
    }
    vec![]
}

/// The notice about files that an earlier session left beside the store.
fn taken_up(count: usize, problems: &[String]) -> String {
    match (problems.first(), count) {
        (Some(problem), _) => format!(
            "reviews of an earlier session cannot be read: {}",
            clean(problem)
        ),
        (None, 1) => "1 review that an earlier session could not save is being saved".to_owned(),
        (None, _) => {
            format!("{count} reviews that an earlier session could not save are being saved")
        }
    }
}
