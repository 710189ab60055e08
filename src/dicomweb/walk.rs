//! What lies under an address: the films of its studies, found page by page while they are walked.
//!
//! Studies are searched for with the keys of the study, and the instances of each study with the keys of series and
//! instance (DICOM PS3.18, Table 10.6.1-5): this much every server must be able to do.

use std::collections::HashSet;
use std::ops::ControlFlow;

use super::address::{DicomWebAddress, DicomWebScope, film_address};
use super::error::{DicomWebError, DicomWebFault};
use super::query::{FIRST_PAGE, QueryLevel, QueryResult, list, page};
use super::transport::Transport;
use crate::data_elements::is_uid;

/// Keys of the patient and the study, by name and by tag; all others belong to series and instances.
const OF_STUDY: [(&str, &str); 20] = [
    ("StudyDate", "00080020"),
    ("StudyTime", "00080030"),
    ("AccessionNumber", "00080050"),
    ("ModalitiesInStudy", "00080061"),
    ("ReferringPhysicianName", "00080090"),
    ("StudyDescription", "00081030"),
    ("PatientName", "00100010"),
    ("PatientID", "00100020"),
    ("IssuerOfPatientID", "00100021"),
    ("PatientBirthDate", "00100030"),
    ("PatientSex", "00100040"),
    ("OtherPatientIDs", "00101000"),
    ("PatientAge", "00101010"),
    ("StudyInstanceUID", "0020000D"),
    ("StudyID", "00200010"),
    ("InstitutionName", "00080080"),
    ("NumberOfStudyRelatedSeries", "00201206"),
    ("NumberOfStudyRelatedInstances", "00201208"),
    ("fuzzymatching", ""),
    ("includefield", ""),
];
const MODALITY: (&str, &str) = ("Modality", "00080060");

/// A query, divided by the level at which a server must understand its keys.
struct Levels {
    /// `StudyDate=20240101-&…`
    study: String,
    instance: String,
    /// Each is asked for by itself, because a list of values is not standard.
    modalities: Vec<String>,
}

impl Levels {
    fn of(query: &[(String, String)]) -> Self {
        let is = |name: &str, known: (&str, &str)| {
            name.eq_ignore_ascii_case(known.0)
                || (!known.1.is_empty() && name.eq_ignore_ascii_case(known.1))
        };
        let mut levels = Levels {
            study: String::new(),
            instance: String::new(),
            modalities: Vec::new(),
        };
        for (name, value) in query {
            if is(name, MODALITY) {
                let values = value.split(',').flat_map(|value| value.split("%2C"));
                let values = values.map(str::trim).filter(|value| !value.is_empty());
                levels
                    .modalities
                    .extend(values.map(|value| value.to_ascii_uppercase()));
                continue;
            }
            let of_study = OF_STUDY.iter().any(|known| is(name, *known));
            let keys = if of_study {
                &mut levels.study
            } else {
                &mut levels.instance
            };
            if !keys.is_empty() {
                keys.push('&');
            }
            keys.push_str(&format!("{name}={value}"));
        }
        levels
    }

    /// The modalities that are asked for and that a study may have. One `None` if all are asked for.
    fn of_study(&self, study: &QueryResult) -> Vec<Option<&str>> {
        if self.modalities.is_empty() {
            return vec![None];
        }
        let has =
            |modality: &&String| study.modalities.is_empty() || study.modalities.contains(modality);
        let asked = self.modalities.iter().filter(has);
        asked.map(|modality| Some(modality.as_str())).collect()
    }

    /// Whether a result is what was asked for. A server may pass over a key that it does not know.
    fn allow(&self, instance: &QueryResult) -> bool {
        self.modalities.is_empty()
            || instance.modalities.is_empty()
            || instance
                .modalities
                .iter()
                .any(|modality| self.modalities.contains(modality))
    }
}

/// Calls `on` with the address of each film under `address`, until it breaks, and with the address of what could not be
/// listed.
///
/// # Errors
/// If the list of studies could not be read to its end. What came before has been handed over.
pub fn walk(
    transport: &Transport,
    address: &DicomWebAddress,
    on: &mut OnFilm,
) -> Result<(), DicomWebError> {
    let base = &address.base;
    let levels = Levels::of(&address.query);
    match &address.scope {
        DicomWebScope::Instance(study, series, instance) => {
            let _ = on(Ok(film_address(base, study, series, instance)));
            return Ok(());
        }
        DicomWebScope::Series(study, series) => {
            let place = format!("{base}/studies/{study}/series/{series}");
            let known = QueryResult {
                study: study.clone(),
                series: series.clone(),
                ..QueryResult::default()
            };
            return instances(transport, base, &place, &known, &levels, on).map(drop);
        }
        DicomWebScope::Study(study) => {
            let place = format!("{base}/studies/{study}");
            let known = QueryResult {
                study: study.clone(),
                ..QueryResult::default()
            };
            return instances(transport, base, &place, &known, &levels, on).map(drop);
        }
        DicomWebScope::Studies => {}
    }
    let mut walk = StudyWalk {
        transport,
        base,
        levels: &levels,
        on,
        seen: HashSet::new(),
        given: 0,
        end: Ok(()),
    };
    let _ = walk.all()?;
    walk.end
}

/// What is given for a film, or for what could not be listed.
type OnFilm<'a> = dyn FnMut(Result<String, (String, DicomWebError)>) -> ControlFlow<()> + 'a;

/// A walk through the studies of a server.
struct StudyWalk<'a> {
    transport: &'a Transport,
    base: &'a str,
    levels: &'a Levels,
    on: &'a mut OnFilm<'a>,
    /// Studies that were asked about, where a study may be listed twice.
    seen: HashSet<String>,
    /// Films that were given, and studies that could not be listed.
    given: usize,
    /// Why no further study can be listed.
    end: Result<(), DicomWebError>,
}

impl StudyWalk<'_> {
    fn all(&mut self) -> Result<ControlFlow<()>, DicomWebError> {
        let levels = self.levels;
        let modalities = &levels.modalities;
        if modalities.is_empty() {
            let url = self.studies(None);
            return self.listed(&url, false);
        }
        if self.first()?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        for modality in modalities {
            let url = self.studies(Some(modality));
            // A study with two of the modalities is listed twice, and one was given before all others.
            if self.listed(&url, true)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The films of the first study that has any, before the whole list is asked for. To filter by modality, a server
    /// may look at each study that it has (Orthanc 1.10 takes seconds for 10,000), and a reader waits for the first film.
    /// So a short list without that filter comes first. What goes wrong with it says nothing of the list with it, unless
    /// the server is at fault.
    fn first(&mut self) -> Result<ControlFlow<()>, DicomWebError> {
        let url = self.studies(None);
        let separator = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{separator}limit={FIRST_PAGE}&offset=0");
        let studies = match page(self.transport, &url) {
            Ok(studies) => studies,
            Err(error) if is_of_server(&error) => return Err(error),
            Err(_) => return Ok(ControlFlow::Continue(())),
        };
        let has_any = |study: &&QueryResult| {
            let modalities = &study.modalities;
            // Where the server does not say what a study has, each one would have to be asked about.
            is_uid(&study.study)
                && modalities
                    .iter()
                    .any(|one| self.levels.modalities.contains(one))
        };
        let candidates: Vec<QueryResult> = studies.iter().filter(has_any).cloned().collect();
        for study in candidates {
            let flow = self.study(&study, true);
            if flow.is_break() || self.given > 0 {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// All studies of a list.
    fn listed(&mut self, url: &str, is_noted: bool) -> Result<ControlFlow<()>, DicomWebError> {
        let transport = self.transport;
        list(transport, url, QueryLevel::Study, None, |study| {
            self.study(&study, is_noted)
        })
    }

    /// The films of a study, unless it was asked about before.
    fn study(&mut self, study: &QueryResult, is_noted: bool) -> ControlFlow<()> {
        if is_noted && !self.seen.insert(study.study.clone()) {
            return ControlFlow::Continue(());
        }
        let place = format!("{}/studies/{}", self.base, study.study);
        let (on, given) = (&mut self.on, &mut self.given);
        let mut counted = |found: Result<String, (String, DicomWebError)>| {
            *given += 1;
            on(found)
        };
        let films = instances(
            self.transport,
            self.base,
            &place,
            study,
            self.levels,
            &mut counted,
        );
        match films {
            Ok(flow) => flow,
            Err(error) if is_of_server(&error) => {
                self.end = Err(error);
                ControlFlow::Break(())
            }
            Err(error) => counted(Err((place, error))),
        }
    }

    /// The address of the list of studies, of this modality if there is one.
    fn studies(&self, modality: Option<&str>) -> String {
        let mut keys = self.levels.study.clone();
        if let Some(modality) = modality {
            if !keys.is_empty() {
                keys.push('&');
            }
            keys.push_str(&format!("ModalitiesInStudy={modality}"));
        }
        with_keys(&format!("{}/studies", self.base), &keys)
    }
}

/// Whether all further studies would fail in the same way.
fn is_of_server(error: &DicomWebError) -> bool {
    use DicomWebFault::{Certificate, Ended, NotAuthenticated, Setting, Slow, Unreachable};
    matches!(
        error.fault(),
        Certificate | Ended | NotAuthenticated | Setting | Slow | Unreachable
    )
}

/// The films of one study or series.
fn instances(
    transport: &Transport,
    base: &str,
    place: &str,
    known: &QueryResult,
    levels: &Levels,
    on: &mut OnFilm,
) -> Result<ControlFlow<()>, DicomWebError> {
    let expected = usize::try_from(known.instances).ok();
    let expected = expected.filter(|count| *count > 0);
    for modality in levels.of_study(known) {
        let mut keys = levels.instance.clone();
        if let Some(modality) = modality {
            if !keys.is_empty() {
                keys.push('&');
            }
            keys.push_str(&format!("Modality={modality}"));
        }
        let url = with_keys(&format!("{place}/instances"), &keys);
        let flow = list(
            transport,
            &url,
            QueryLevel::Instance,
            expected,
            |instance| {
                let series = if instance.series.is_empty() {
                    &known.series
                } else {
                    &instance.series
                };
                let is_meant = (instance.study.is_empty() || instance.study == known.study)
                    && (known.series.is_empty() || *series == known.series);
                if !is_meant || !levels.allow(&instance) {
                    return ControlFlow::Continue(());
                }
                if !is_uid(series) {
                    let error = DicomWebError::new(
                        DicomWebFault::Damaged,
                        "the server lists an instance without its series",
                    );
                    return on(Err((place.to_owned(), error)));
                }
                let film = film_address(base, &known.study, series, &instance.instance);
                on(Ok(film))
            },
        )?;
        if flow.is_break() {
            return Ok(flow);
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn with_keys(url: &str, keys: &str) -> String {
    if keys.is_empty() {
        url.to_owned()
    } else {
        format!("{url}?{keys}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_goes_where_every_server_understands_it() {
        let address = DicomWebAddress::parse(
            "http://h/d?Modality=dx,CR&StudyDate=20240101-&00100020=7&ViewPosition=PA&Rows=1024",
        );
        let levels = Levels::of(&address.unwrap().query);
        assert_eq!(levels.study, "StudyDate=20240101-&00100020=7");
        assert_eq!(levels.instance, "ViewPosition=PA&Rows=1024");
        assert_eq!(levels.modalities, ["DX", "CR"]);
        let with = |modalities: &[&str]| QueryResult {
            modalities: modalities.iter().map(|text| (*text).to_owned()).collect(),
            ..QueryResult::default()
        };
        assert_eq!(levels.of_study(&with(&["CR", "SR"])), [Some("CR")]);
        assert_eq!(levels.of_study(&with(&[])), [Some("DX"), Some("CR")]);
        assert!(levels.allow(&with(&["DX"])) && levels.allow(&with(&[])));
        assert!(!levels.allow(&with(&["CT"])));
    }
}
