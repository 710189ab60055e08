//! The films of one patient in the order in which they were taken, and the one to compare a film with.

use std::path::Path;

use crate::domain::{Sameness, days_between, is_before};
use crate::tui::worklist::{Disk, EntryState, Worklist, WorklistEntry};

/// A film to compare another one with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prior {
    /// Its index in the worklist.
    pub index: u32,
    /// How many newer films of the view were passed over because they cannot be read.
    pub unreadable: usize,
}

/// Why there is no film to compare with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPrior {
    /// Neither the file nor a table says whose image it is.
    NoPatient,
    /// Nothing says when it was taken.
    NoTime,
    /// No film of the patient is known to be earlier.
    NoneEarlier,
    /// Earlier films have another view.
    OtherView,
    /// Films in other folders have the same Patient ID, and nothing else that says whose they are.
    OnlyId,
}

/// How another film stands to a film.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilmRelation {
    pub patient: Sameness,
    /// Days from the film to the other one, negative for an earlier one; `None` where a time is not known.
    pub days: Option<i64>,
    /// Whether the other one is known to be earlier.
    pub is_earlier: bool,
}

/// One film of a patient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimelineFilm {
    /// Its index in the worklist.
    pub index: u32,
    /// Its extent by the model in use, 0 to 8; `None` where it has none, or it is hidden.
    pub extent: Option<f32>,
}

impl Worklist {
    /// The index of the selected film.
    pub fn selected_index(&self) -> Option<u32> {
        self.index_at(self.cursor)
    }

    /// The index of the film in a row.
    pub fn index_at(&self, row: usize) -> Option<u32> {
        self.rows.get(row).copied()
    }

    /// A film by its index.
    pub fn entry(&self, index: u32) -> Option<&WorklistEntry> {
        self.entries.get(index as usize)
    }

    /// The newest film of the same patient and the same view that is known to be earlier.
    ///
    /// # Errors
    /// Why there is none.
    pub fn prior(&self, index: u32) -> Result<Prior, NoPrior> {
        let image = self.patients.images.get(&index);
        let image = image.ok_or(NoPrior::NoPatient)?;
        let taken = image.taken.as_deref().ok_or(NoPrior::NoTime)?;
        let images = &self.patients.patients[image.patient as usize].images;
        let view = self.entries[index as usize].view;
        let (mut unreadable, mut none) = (0, NoPrior::NoneEarlier);
        for other in images.iter().rev().copied() {
            let earlier = self.patients.images[&other].taken.as_deref();
            if !earlier.is_some_and(|earlier| is_before(earlier, taken)) {
                continue;
            }
            let entry = &self.entries[other as usize];
            if !self.is_comparable(index, other) {
                none = none.or_worse(NoPrior::OnlyId);
            } else if entry.view != view {
                none = none.or_worse(NoPrior::OtherView);
            } else if entry.is_unreadable() {
                unreadable += 1;
            } else {
                return Ok(Prior {
                    index: other,
                    unreadable,
                });
            }
        }
        Err(none)
    }

    /// All films of the patient of a film, itself among them, by time; those without a time come last. Empty where
    /// the patient is not known.
    pub fn timeline(&self, index: u32) -> Vec<TimelineFilm> {
        let Some(image) = self.patients.images.get(&index) else {
            return Vec::new();
        };
        let images = &self.patients.patients[image.patient as usize].images;
        let made_by = |index: u32| {
            let answer = self.shown_of(index)?;
            Some((&answer.model_sha256, &answer.preprocess))
        };
        let own = made_by(index);
        let extent = |other: u32| {
            let is_same_model = own.is_none() || made_by(other) == own;
            let severity = self.shown_of(other)?.severity.filter(|_| is_same_model);
            severity.map(|severity| severity.geographic_extent)
        };
        let comparable = images.iter().copied();
        let comparable = comparable.filter(|other| self.is_comparable(index, *other));
        comparable
            .map(|index| TimelineFilm {
                index,
                extent: extent(index),
            })
            .collect()
    }

    /// How another film stands to a film.
    pub fn relation(&self, index: u32, other: u32) -> FilmRelation {
        let images = &self.patients.images;
        let (Some(one), Some(two)) = (images.get(&index), images.get(&other)) else {
            return FilmRelation {
                patient: Sameness::Unproven,
                days: None,
                is_earlier: false,
            };
        };
        let stated = |identity: u32| &self.patients.identities[identity as usize].stated;
        let patient = if one.patient == two.patient && self.is_comparable(index, other) {
            Sameness::Same
        } else {
            match stated(one.identity).agrees(stated(two.identity)) {
                Sameness::Different => Sameness::Different,
                // The list has reasons to keep them apart.
                Sameness::Same | Sameness::Unproven => Sameness::Unproven,
            }
        };
        let times = one.taken.as_deref().zip(two.taken.as_deref());
        FilmRelation {
            patient,
            days: times.and_then(|(one, two)| days_between(one, two)),
            is_earlier: times.is_some_and(|(one, two)| is_before(two, one)),
        }
    }

    /// Whether two films of one patient may be compared. Where no field beside the *Patient ID* says of both that it is
    /// one, films of several folders may come from several institutions that number their patients alike.
    pub(super) fn is_comparable(&self, index: u32, other: u32) -> bool {
        let stated = |index: u32| {
            let image = self.patients.images.get(&index)?;
            Some(&self.patients.identities[image.identity as usize].stated)
        };
        let shares_more = || {
            let both = stated(index).zip(stated(other));
            both.is_some_and(|(one, other)| one.shares_more_than_id(other))
        };
        index == other
            || self.is_same_study(index, other)
            || self.institution(index) == self.institution(other)
            || shares_more()
    }

    fn is_same_study(&self, index: u32, other: u32) -> bool {
        let study = |index| self.patients.images.get(&index)?.study.as_deref();
        study(index).is_some() && study(index) == study(other)
    }

    /// The first folder below the opened one in which a film lies, or else the opened one. Of a film that was named
    /// itself, its folder.
    fn institution(&self, index: u32) -> &Path {
        let path = &self.entries[index as usize].path;
        let below = self
            .roots
            .iter()
            .find_map(|root| path.strip_prefix(root).ok());
        let parts = below.unwrap_or(path).components().count();
        let up = parts.saturating_sub(1).max(1);
        let folder = path.ancestors().nth(up).unwrap_or(path);
        match folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => folder,
        }
    }
}

impl NoPrior {
    /// The reason that says more.
    fn or_worse(self, other: NoPrior) -> NoPrior {
        match (self, other) {
            (NoPrior::NoneEarlier, other) => other,
            (_, NoPrior::OtherView) => NoPrior::OtherView,
            (this, _) => this,
        }
    }
}

impl WorklistEntry {
    /// Whether it is known that no picture of it can be shown.
    pub fn is_unreadable(&self) -> bool {
        let has_failed = matches!(self.state, EntryState::Failed(_) | EntryState::NoPicture(_));
        has_failed || self.disk == Disk::Gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{FilmSummary, Fingerprint, Issuer, Origin, PatientIdentity, ViewPosition};

    /// From path, identifier, issuer, name, time and view; empty if unknown.
    type Row = ([&'static str; 5], ViewPosition);
    const PA: ViewPosition = ViewPosition::Pa;
    const AP: ViewPosition = ViewPosition::Ap;

    fn list(rows: &[Row]) -> Worklist {
        let mut list = Worklist::default();
        list.set_roots(vec!["/films".into()]);
        list.add(rows.iter().map(|(row, _)| Path::new(row[0]).into()));
        let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        for (index, ([_, id, issuer, name, taken], view)) in (0..).zip(rows) {
            let print = name.bytes().map(u64::from).sum();
            let film = FilmSummary {
                origin: Origin {
                    patient: PatientIdentity {
                        id: known(id),
                        issuer: Issuer {
                            local: known(issuer),
                            universal: None,
                        },
                        name: known(name).map(|_| Fingerprint(print)),
                        birth_date: None,
                        sex: None,
                    },
                    study: None,
                    taken: known(taken),
                },
                view: *view,
                age: None,
            };
            list.set_film_at(index, film);
        }
        list
    }

    fn prior(list: &Worklist, index: u32) -> Result<u32, NoPrior> {
        list.prior(index).map(|prior| prior.index)
    }

    #[test]
    fn the_prior_is_the_newest_earlier_film_of_the_view() {
        let list = list(&[
            (["/films/a", "7", "H", "", "2020-01-01"], PA),
            (["/films/b", "7", "H", "", "2020-01-05"], PA),
            (["/films/c", "7", "H", "", "2020-01-07"], AP),
            (["/films/d", "7", "H", "", "2020-01-09"], PA),
            (["/films/e", "7", "H", "", "2020-01-11"], PA),
        ]);
        assert_eq!(prior(&list, 3), Ok(1));
        assert_eq!(prior(&list, 0), Err(NoPrior::NoneEarlier));
        assert_eq!(prior(&list, 2), Err(NoPrior::OtherView));
        let all: Vec<u32> = list.timeline(3).iter().map(|film| film.index).collect();
        assert_eq!(all, [0, 1, 2, 3, 4]);
        let relation = list.relation(3, 1);
        assert_eq!(
            (relation.patient, relation.days),
            (Sameness::Same, Some(-4))
        );
        assert!(relation.is_earlier && !list.relation(1, 3).is_earlier);
    }

    #[test]
    fn films_of_one_day_are_ordered_by_their_clock_or_not_at_all() {
        let list = list(&[
            (["/films/a", "7", "H", "", "2020-01-01T08:00"], PA),
            (["/films/b", "7", "H", "", "2020-01-01T09:30"], PA),
            (["/films/c", "8", "H", "", "2020-01-01"], PA),
            (["/films/d", "8", "H", "", "2020-01-01T09:30"], PA),
            (["/films/e", "9", "H", "", ""], PA),
            (["/films/f", "9", "H", "", "2020-01-01"], PA),
        ]);
        assert_eq!(prior(&list, 1), Ok(0));
        assert_eq!(prior(&list, 3), Err(NoPrior::NoneEarlier));
        assert_eq!(prior(&list, 4), Err(NoPrior::NoTime));
        assert_eq!(prior(&list, 5), Err(NoPrior::NoneEarlier));
        assert_eq!(list.timeline(5).len(), 2, "without a time it comes last");
        assert_eq!(list.relation(5, 4).days, None);
    }

    #[test]
    fn another_issuers_patient_is_never_the_prior() {
        let list = list(&[
            (["/films/a", "7", "H", "", "2020-01-01"], PA),
            (["/films/b", "7", "K", "", "2020-01-05"], PA),
            (["/films/c", "7", "", "", "2020-01-07"], PA),
            (["/films/d", "7", "K", "", "2020-01-09"], PA),
            (["/films/e", "", "", "", "2020-01-09"], PA),
        ]);
        assert_eq!(prior(&list, 1), Err(NoPrior::NoneEarlier));
        assert_eq!(prior(&list, 2), Err(NoPrior::NoneEarlier));
        assert_eq!(prior(&list, 3), Ok(1));
        assert_eq!(prior(&list, 4), Err(NoPrior::NoPatient));
        assert_eq!(list.relation(1, 0).patient, Sameness::Different);
        assert_eq!(list.relation(2, 1).patient, Sameness::Unproven);
        assert_eq!(list.timeline(3).len(), 2);
        assert!(list.timeline(4).is_empty());
    }

    #[test]
    fn an_identifier_alone_does_not_reach_into_the_folder_of_another_institution() {
        let list = list(&[
            (["/films/site-a/1", "7", "", "", "2020-01-01"], PA),
            (["/films/site-b/1", "7", "", "", "2020-01-05"], PA),
            (["/films/site-b/2", "7", "", "", "2020-01-09"], PA),
            (["/films/site-a/2", "8", "", "DOE", "2020-01-01"], PA),
            (["/films/site-b/3", "8", "", "DOE", "2020-01-05"], PA),
            (["/films/site-a/3", "9", "", "DOE", "2020-01-01"], PA),
            (["/films/site-b/4", "9", "", "ROE", "2020-01-05"], PA),
        ]);
        assert_eq!(prior(&list, 1), Err(NoPrior::OnlyId));
        assert_eq!(prior(&list, 2), Ok(1));
        assert_eq!(list.timeline(2).len(), 2);
        assert_eq!(list.relation(1, 0).patient, Sameness::Unproven);
        assert_eq!(prior(&list, 4), Ok(3), "the name agrees");
        assert_eq!(prior(&list, 6), Err(NoPrior::NoneEarlier), "another name");
    }

    /// A film that says less than another is no proof that both are of one institution.
    #[test]
    fn a_name_on_one_side_only_does_not_reach_into_another_folder_either() {
        let list = list(&[
            (["/films/site-a/1", "7", "", "DOE", "2020-01-01"], PA),
            (["/films/site-b/1", "7", "", "", "2020-01-05"], PA),
            (["/films/site-b/2", "7", "", "DOE", "2020-01-09"], PA),
        ]);
        assert_eq!(prior(&list, 1), Err(NoPrior::OnlyId));
        assert_eq!(list.relation(1, 0).patient, Sameness::Unproven);
        assert_eq!(list.timeline(1).len(), 2, "its own folder");
        assert_eq!(prior(&list, 2), Ok(1), "the same folder");
        assert_eq!(list.relation(2, 0).patient, Sameness::Same, "the same name");
    }

    #[test]
    fn films_that_are_named_themselves_are_of_their_folder() {
        let mut list = list(&[
            (["/films/site-a/1", "7", "", "", "2020-01-01"], PA),
            (["/films/site-a/2", "7", "", "", "2020-01-05"], PA),
            (["/films/site-b/1", "7", "", "", "2020-01-09"], PA),
        ]);
        let roots = ["/films/site-a/1", "/films/site-a/2", "/films/site-b/1"];
        list.set_roots(roots.map(Into::into).to_vec());
        assert_eq!(prior(&list, 1), Ok(0));
        assert_eq!(prior(&list, 2), Err(NoPrior::OnlyId));
    }

    #[test]
    fn unreadable_films_are_passed_over_and_counted() {
        let mut list = list(&[
            (["/films/a", "7", "H", "", "2020-01-01"], PA),
            (["/films/b", "7", "H", "", "2020-01-05"], PA),
            (["/films/c", "7", "H", "", "2020-01-09"], PA),
        ]);
        list.record(Path::new("/films/b"), EntryState::Failed("damaged".into()));
        let expected = Prior {
            index: 0,
            unreadable: 1,
        };
        assert_eq!(list.prior(2), Ok(expected));
    }
}
