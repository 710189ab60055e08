//! The part of a DICOM header that objects made from the image take over: patient, study and references.

use super::content_id::ContentId;

/// An attribute as text: several values have a backslash between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderText {
    /// The first half of its tag.
    pub group: u16,
    /// The second half of its tag.
    pub element: u16,
    /// In Unicode, without control characters, and never empty.
    pub value: String,
}

/// The texts of a DICOM file, whether or not its picture can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceHeader {
    /// The content of the file.
    pub content: ContentId,
    /// In the order of their tags.
    pub texts: Vec<HeaderText>,
}

impl SourceHeader {
    /// The value of an attribute; `None` if it is absent or empty.
    pub fn text(&self, group: u16, element: u16) -> Option<&str> {
        let wanted = |text: &&HeaderText| (text.group, text.element) == (group, element);
        let found = self.texts.iter().find(wanted);
        found.map(|text| text.value.as_str())
    }
}
