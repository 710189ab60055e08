//! Verdicts, flags and notes: what the reader says of the image on the screen.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Effect, heat_map, keeping_selection, prompt};
use crate::domain::text::clean;
use crate::domain::{
    Act, BlindedReading, Causes, ContentId, Finding, HeatMapSubject, Opinion, OpinionChange,
    Prediction, Question, Review, Seen, Verdict,
};
use crate::store::{News, Request, ReviewDraft};
use crate::tui::keymap::Action;
use crate::tui::model::{LABEL_KEYS, Model, NONE_KEY, Overlay, PromptKind, Reviews, UndoStep};

/// What is said where the log holds something else than the screen did.
const MERGED: &str = "another session in your name has said more of this image: shown is all of it";
/// Said where a line was typed about an image that is not on the screen any more.
const ANOTHER: &str = "another image came on the screen: nothing recorded";
/// What one disagrees with where there are no scores.
const REFUSAL: &str = "input check";

pub fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Agree => judge_answer(model, Verdict::Agree),
        Action::Disagree => ask_for_label(model),
        Action::Unsure => judge_answer(model, Verdict::Unsure),
        Action::KeyImage | Action::Note if is_beside_hidden(model) => say(
            model,
            "what you held beside the answer is hidden until you have made your own call: Enter",
        ),
        Action::KeyImage => judge(model, Act::Flagged, |opinion| {
            opinion.key_image = !opinion.key_image;
        }),
        Action::Note => match selected(model) {
            Ok((source, content, opinion)) => {
                model.about = Some((source, content));
                prompt::open(model, PromptKind::Note, opinion.note)
            }
            Err(reason) => say(model, reason),
        },
        Action::Undo => step_back(model),
        Action::Redo => step_again(model),
        _ => to_next_unreviewed(model),
    }
}

/// Whether the reader holds something of the image that they may not see before their own call.
fn is_beside_hidden(model: &Model) -> bool {
    let list = &model.worklist;
    let is_held = list.selected().is_some_and(|entry| entry.held.is_some());
    is_held && list.shown_held(list.cursor()).is_none()
}

fn judge_answer(model: &mut Model, verdict: Verdict) -> Vec<Effect> {
    if selected(model).is_ok() && model.prediction().is_none() {
        return say(model, nothing_to_judge(model));
    }
    judge(model, Act::Judged, |opinion| {
        (opinion.verdict, opinion.label) = (Some(verdict), None);
    })
}

fn nothing_to_judge(model: &Model) -> &'static str {
    match model.is_hidden() {
        true => "hidden until you have made your own call: Enter",
        false => "the model has not answered: nothing to judge yet",
    }
}

/// Which label is wrong takes one more key, of those that are shown; an image that was refused has none.
fn ask_for_label(model: &mut Model) -> Vec<Effect> {
    match selected(model) {
        Ok((source, content, _)) => model.about = Some((source, content)),
        Err(reason) => return say(model, reason),
    }
    let Some(said) = model.prediction() else {
        return say(model, nothing_to_judge(model));
    };
    let are_causes_told = matches!(said.causes(), Causes::Told(_));
    let is_shown = |finding: &&Finding| finding.question == Question::Presence || are_causes_told;
    let labels: Vec<String> = said
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

/// The key after `d`: a label's, or [`NONE_KEY`] for the answer in general. Any other cancels and says
/// so.
pub fn on_label_key(model: &mut Model, labels: &[String], key: KeyEvent) -> Vec<Effect> {
    let plain = !key
        .modifiers
        .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    let label = match key.code {
        KeyCode::Char(NONE_KEY) if plain => return disagree(model, None),
        KeyCode::Char(c) if plain => LABEL_KEYS.find(c).and_then(|at| labels.get(at)),
        KeyCode::Esc => return say(model, "cancelled: no verdict recorded"),
        _ => None,
    };
    match label {
        Some(label) => disagree(model, Some(label)),
        None => say(
            model,
            "cancelled, no verdict recorded: that key is no label's",
        ),
    }
}

/// With a label, or in general.
fn disagree(model: &mut Model, label: Option<&str>) -> Vec<Effect> {
    judge(model, Act::Judged, |opinion| {
        opinion.verdict = Some(Verdict::Disagree);
        opinion.label = label.map(str::to_owned);
    })
}

pub fn note(model: &mut Model, text: &str) -> Vec<Effect> {
    let note = clean(text);
    let effects = judge(model, Act::Noted, |opinion| opinion.note = note.clone());
    // What was typed and not recorded stays where it can be read.
    if let Some(notice) = model.notice.as_mut().filter(|_| effects.is_empty()) {
        notice.push_str(&format!(" (“{note}”)"));
    }
    effects
}

/// The image that is on the screen and what is held of it, or why nothing can be said of it.
pub(super) fn selected(model: &Model) -> Result<(Arc<Path>, ContentId, Opinion), &'static str> {
    let Some(entry) = model.worklist.selected() else {
        return Err("no image to judge");
    };
    let viewer = &model.viewer;
    let is_painted = viewer.canvas.is_some_and(|canvas| canvas.width > 0);
    let is_there = viewer.shown.is_some() || !is_painted;
    let Some(content) = model.content_of(&entry.path).filter(|_| is_there) else {
        return Err("the image is not on the screen yet: nothing to judge");
    };
    let shown = viewer.shown.as_ref().map(|shown| shown.content);
    let known = [
        shown,
        entry.content,
        model.prediction().map(|said| said.content),
    ];
    if known.into_iter().flatten().any(|other| other != content) {
        return Err("the file was replaced meanwhile: look at it again");
    }
    Ok((entry.path.clone(), content, entry.opinion()))
}

fn judge(model: &mut Model, act: Act, change: impl FnOnce(&mut Opinion)) -> Vec<Effect> {
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
    if after == before {
        // Another session in the reader's name may have said otherwise: the log decides.
        let says_again = OpinionChange {
            judgement: OpinionChange::to(&after).judgement,
            ..OpinionChange::default()
        };
        return match act {
            Act::Judged => vec![record(model, source, content, act, says_again)],
            _ => vec![],
        };
    }
    let change = OpinionChange::between(&before, &after);
    let step = UndoStep {
        source: source.clone(),
        content,
        before,
        after,
    };
    model.reviews.undone.clear();
    model.reviews.done.push(step);
    vec![record(model, source, content, act, change)]
}

/// A call of blinded reading. The first one stands: an answer that was seen cannot be unseen.
pub fn call(model: &mut Model, change: impl FnOnce(&mut Option<BlindedReading>)) -> Vec<Effect> {
    let effects = judge(model, Act::Called, |opinion| change(&mut opinion.blinded));
    let is_first = |step: &UndoStep| step.before.blinded.is_none() && step.after.blinded.is_some();
    if model.reviews.done.last().is_some_and(is_first) {
        model.reviews.done.pop();
    }
    effects
}

/// Undoing is saying again what was said before, of what that step changed and is as it left it: the log
/// forgets nothing, and another session may have said more since.
fn step_back(model: &mut Model) -> Vec<Effect> {
    let Some(step) = model.reviews.done.pop() else {
        return say(model, "nothing to undo");
    };
    let change = OpinionChange::between(&step.after, &step.before).only_over(&step.after);
    let effects = go_and_record(model, &step, Act::Undone, change);
    model.reviews.undone.push(step);
    effects
}

fn step_again(model: &mut Model) -> Vec<Effect> {
    let Some(step) = model.reviews.undone.pop() else {
        return say(model, "nothing to redo");
    };
    let change = OpinionChange::between(&step.before, &step.after).only_over(&step.before);
    let effects = go_and_record(model, &step, Act::Redone, change);
    model.reviews.done.push(step);
    effects
}

/// Goes to the image, so that nothing changes that is not seen to.
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
    let of = if is_replaced {
        "the image that was at "
    } else {
        ""
    };
    model.notice = Some(format!("{}: {of}{name}", act.word()));
    effects.push(record(model, source.clone(), content, act, change));
    effects
}

fn record(
    model: &mut Model,
    source: Arc<Path>,
    content: ContentId,
    act: Act,
    change: OpinionChange,
) -> Effect {
    let is_looked_at = model.content_of(&source) == Some(content);
    let facts = model.viewer.facts.as_ref().filter(|_| is_looked_at);
    let said = model.worklist.said_of(&source);
    let said = said
        .filter(|said| said.content == content)
        .cloned()
        .map(light);
    let draft = ReviewDraft {
        uids: facts.map(|facts| facts.uids.clone()).unwrap_or_default(),
        patient_id: facts.and_then(|facts| facts.patient.id.clone()),
        review: Review {
            reviewer: model.reviews.reviewer.clone(),
            at: SystemTime::now(),
            act,
            change: change.clone(),
            seen: seen(model, &source, said.clone(), is_looked_at),
        },
        prediction: said,
        source: source.clone(),
        content,
    };
    model.worklist.hold(&source, content, &change);
    Effect::Ask(Request::Record(Box::new(draft)))
}

/// Without where the logits come from, which nothing keeps.
fn light(said: Prediction) -> Prediction {
    Prediction {
        activation: None,
        ..said
    }
}

fn seen(model: &Model, source: &Path, said: Option<Prediction>, is_looked_at: bool) -> Seen {
    let said = said.filter(|_| !model.worklist.is_hidden_at(source));
    let prediction = said.map(|said| said.assuming(&model.assumed));
    if !is_looked_at {
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
        heat_map: legend.map(|legend| match &legend.subject {
            HeatMapSubject::Label(label) => label.name().to_owned(),
            HeatMapSubject::Difference(a, b) => format!("{} − {}", a.name(), b.name()),
        }),
    }
}

fn to_next_unreviewed(model: &mut Model) -> Vec<Effect> {
    match model.worklist.next_unreviewed() {
        Some(row) => keeping_selection(model, |model| model.worklist.go_to(row)),
        None => say(model, "every image here has a verdict"),
    }
}

/// Leaving with reviews that are not on the disk takes asking twice.
pub fn quit(model: &mut Model) -> Vec<Effect> {
    match &model.reviews.waiting {
        Some((count, reason)) if !model.reviews.leaving => {
            model.notice = Some(format!(
                "{count} not on the disk ({reason}): again to leave"
            ));
            model.reviews.leaving = true;
            vec![]
        }
        _ => vec![Effect::Quit(0)],
    }
}

pub fn on_news(model: &mut Model, news: News) -> Vec<Effect> {
    match news {
        News::Standing(held) => model.worklist.stand(held),
        News::AnswersSeen(images) => model.worklist.mark_answers_seen(images),
        News::LookedUp(count) => model.session.looked_up += count,
        News::Recorded {
            source,
            content,
            opinion,
        } => {
            let was_hidden = model.is_hidden();
            if model.worklist.confirm(&source, content, opinion) {
                model.notice = Some(MERGED.to_owned());
            }
            // The answer is there now, and so may be its heat map.
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

/// What is said of files that an earlier session left beside the store.
fn taken_up(count: usize, problems: &[String]) -> String {
    match (problems.first(), count) {
        (Some(problem), _) => format!(
            "reviews of an earlier session cannot be read: {}",
            clean(problem)
        ),
        (None, 1) => "1 review that an earlier session could not write is taken up".to_owned(),
        (None, _) => {
            format!("{count} reviews that an earlier session could not write are taken up")
        }
    }
}

pub(super) fn say(model: &mut Model, notice: &str) -> Vec<Effect> {
    model.notice = Some(notice.to_owned());
    vec![]
}
