//! The page, from top to bottom.

use super::findings::findings;
use super::html::Html;
use super::pictures::Pictures;
use crate::domain::{
    HeatMapLegend, HeatMapSubject, InputCheck, Issuer, ModelCard, Opinion, Prediction, Radiograph,
    ViewPosition, card_text,
};
use crate::store::LastWord;

/// Everything that is on it.
pub struct PageContents<'a> {
    /// Of the file; nothing of its folders, which may name somebody.
    pub name: &'a str,
    /// Of the file's content.
    pub sha256: &'a str,
    /// `2026-01-31`.
    pub date: &'a str,
    pub facts: &'a [Fact],
    pub pictures: &'a Pictures,
    /// At the prevalences that were asked for.
    pub prediction: &'a Prediction,
    pub card: &'a ModelCard,
    /// What each reader holds of this image.
    pub readers: &'a [LastWord],
}

/// A name and a value, for the head of the page.
pub type Fact = (&'static str, String);

/// What the file says, as the screen shows it. Who it is and the study's identifiers only if asked
/// for.
pub fn facts(radiograph: &Radiograph, with_patient: bool) -> Vec<Fact> {
    let patient = &radiograph.patient;
    let age = patient.age.as_deref().map(age);
    let person: Vec<String> = [patient.sex.clone(), age].into_iter().flatten().collect();
    let mut facts = Vec::new();
    if with_patient {
        let uids = &radiograph.uids;
        let Issuer { local, universal } = &patient.issuer;
        let issuer = if local.is_some() { local } else { universal };
        let who = [
            ("Patient", &patient.name),
            ("Patient ID", &patient.id),
            ("Its issuer", issuer),
            ("Study UID", &uids.study),
            ("Image UID", &uids.sop_instance),
        ];
        let said = |(name, value): (_, &Option<String>)| Some((name, value.clone()?));
        facts.extend(who.into_iter().filter_map(said));
    }
    if !person.is_empty() {
        facts.push(("Sex, age", person.join(" ")));
    }
    if radiograph.view != ViewPosition::Unknown {
        facts.push(("View", radiograph.view.to_string()));
    }
    facts.push(("Image", image_words(radiograph)));
    facts
}

fn image_words(radiograph: &Radiograph) -> String {
    let mut words = vec![
        format!("{} × {} pixels", radiograph.width, radiograph.height),
        format!("{} bits", radiograph.bits_stored),
        radiograph.format.clone(),
    ];
    if radiograph.frames > 1 {
        words.push(format!("frame 1 of {}", radiograph.frames));
    }
    words.join(", ")
}

/// DICOM's `054Y` → `54y` (PS3.5 6.2, value representation AS).
fn age(stored: &str) -> String {
    stored.trim().trim_start_matches('0').to_lowercase()
}

/// What a browser may do for the page, should anything get past [`Html`]: show its own style and the
/// pictures inside it. Nothing is run, fetched or sent.
const POLICY: &str = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
    style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">\n";

/// A whole HTML file that names no other.
pub fn page(case: &PageContents) -> String {
    let mut html = Html::default();
    html.markup("<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\n");
    html.markup(POLICY);
    html.element("<title>cxr report: ", case.name, "</title>\n<style>\n");
    html.markup(include_str!("page.css"));
    html.markup("</style></head>\n<body>\n");
    html.markup(
        "<p class=\"warning\">Not a medical device; not for diagnosis. \
         For research and teaching: a computer wrote this.</p>\n",
    );
    html.element("<h1>Image: ", case.name, "</h1>\n");
    head(&mut html, case);
    pictures(&mut html, case);
    input(&mut html, &case.prediction.input);
    let is_refused = matches!(case.prediction.input, InputCheck::Refused(_));
    if !is_refused {
        findings(&mut html, case.prediction);
        trust(&mut html, case.card);
    }
    readers(&mut html, case);
    model(&mut html, case);
    html.markup("</body>\n</html>\n");
    html.finish()
}

fn head(html: &mut Html, case: &PageContents) {
    let (centre, width) = case.pictures.window;
    html.markup("<dl>");
    let window = format!("width {width:.0}, level {centre:.0}");
    let facts = case.facts.iter();
    let facts = facts.map(|(name, value)| (*name, value.as_str()));
    let more = [
        ("Window", window.as_str()),
        ("Report of (UTC)", case.date),
        ("Its SHA-256", case.sha256),
    ];
    for (name, value) in facts.chain(more) {
        html.element("<div><dt>", name, "</dt> ");
        html.element("<dd>", value, "</dd></div>\n");
    }
    html.markup("</dl>\n");
}

fn pictures(html: &mut Html, case: &PageContents) {
    html.markup("<div class=\"pictures\">\n<figure>");
    html.png(&case.pictures.plain, "the image in its own window");
    html.markup("<figcaption>The image in its own window.</figcaption></figure>\n");
    if let Some((png, legend)) = &case.pictures.mapped {
        html.markup("<figure>");
        html.png(png, "the image under its heat map");
        caption(html, legend);
        html.markup("</figure>\n");
    }
    html.markup("</div>\n");
    let is_refused = matches!(case.prediction.input, InputCheck::Refused(_));
    if case.pictures.mapped.is_none() && !is_refused {
        html.markup(match case.card.has_heat_maps() {
            true => "<p class=\"small\">There is no heat map of this image.</p>\n",
            false => "<p class=\"small\">This model gives no heat map.</p>\n",
        });
    }
}

/// What the colours stand for, and what they cannot say.
fn caption(html: &mut Html, legend: &HeatMapLegend) {
    let subject = match &legend.subject {
        HeatMapSubject::Label(label) => label.name().to_owned(),
        HeatMapSubject::Difference(first, second) => {
            format!("{} − {}", first.name(), second.name())
        }
    };
    html.element("<figcaption><b>Heat map: ", &subject, "</b><br>");
    html.element("against −", &format!("{:.2}", legend.range), "");
    html.ramp(&legend.ramp);
    html.element("+", &format!("{:.2}", legend.range), " for (logit), ");
    html.element("", &format!("{:.0}", legend.opacity * 100.0), " % opaque. ");
    html.markup("It shows <b>where, not whether</b>.</figcaption>");
}

fn input(html: &mut Html, check: &InputCheck) {
    html.markup("<h2>Input check</h2>\n");
    html.markup(match check {
        InputCheck::Accepted => "<p>Accepted.</p>\n",
        InputCheck::Caution(_) => {
            "<div class=\"caution\"><p><b>Caution:</b> there is reason to doubt the numbers.</p>\n"
        }
        InputCheck::Refused(_) => {
            "<div class=\"refused\"><p><b>Refused:</b> the model must not speak about this image, \
             so none of its numbers are here.</p>\n"
        }
    });
    if *check == InputCheck::Accepted {
        return;
    }
    html.markup("<ul>");
    for reason in check.reasons() {
        html.element("<li>", reason, "</li>");
    }
    html.markup("</ul></div>\n");
}

fn trust(html: &mut Html, card: &ModelCard) {
    let lines = card_text::trust(card);
    if lines.is_empty() {
        return;
    }
    html.markup("<h2>How far the numbers go</h2>\n<ul class=\"small\">");
    for line in lines {
        html.element("<li>", &line, "</li>");
    }
    html.markup("</ul>\n");
}

fn readers(html: &mut Html, case: &PageContents) {
    html.markup("<h2>Readers</h2>\n");
    if case.readers.is_empty() {
        html.markup("<p>No verdict on this image is in the store.</p>\n");
    }
    for word in case.readers {
        html.element("<p><b>", &word.reviewer, "</b>: ");
        html.text(&opinion_words(&word.opinion));
        html.element(" (", &word.last_at, "");
        html.text(of_what(word, &case.prediction.model_sha256));
        html.markup(")");
        if !word.opinion.note.is_empty() {
            html.element("<br>Note: ", &word.opinion.note, "");
        }
        html.markup("</p>\n");
    }
}

fn opinion_words(opinion: &Opinion) -> String {
    let verdict = opinion
        .verdict
        .map_or("no verdict", |verdict| verdict.word());
    let about = opinion.label.as_ref();
    let about = about.map_or(String::new(), |label| format!(" about {label}"));
    let key = if opinion.key_image { "; key image" } else { "" };
    format!("{verdict}{about}{key}")
}

/// A verdict is on what was on the screen then, which need not be what is on this page.
fn of_what(word: &LastWord, model: &str) -> &'static str {
    let seen = word.seen.pointer("/prediction/model_sha256");
    match seen.and_then(|digest| digest.as_str()) {
        Some(digest) if digest == model => "; on what this model said",
        Some(_) => "; on what another model said",
        None => "; before a model had answered",
    }
}

fn model(html: &mut Html, case: &PageContents) {
    let ModelCard { name, version, .. } = case.card;
    html.element(
        "<footer><h2>Model</h2><p>",
        &format!("{name} {version}"),
        "",
    );
    html.element(", SHA-256 ", &case.prediction.model_sha256, "");
    html.element(", preprocessing ", &case.prediction.preprocess, "");
    html.element("; cxr ", env!("CARGO_PKG_VERSION"), ". ");
    html.markup(
        "How it was made and how well it did: <code>cxr models show</code>.</p></footer>\n",
    );
}
