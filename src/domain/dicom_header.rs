//! The attributes of a film's DICOM header, as texts to be read by people.

/// One line of a header: an attribute, or the item of a sequence. Texts are printable and at most as long as a reader
/// wants to see.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderLine {
    /// How many sequences and items it lies in.
    pub depth: u8,
    /// Group and element; `None` for an item.
    pub tag: Option<(u16, u16)>,
    /// The value representation, two letters; empty for an item.
    pub vr: String,
    /// The keyword of PS3.6, `Private` with the creator, or empty for an attribute that is not known.
    pub keyword: String,
    /// The value, or what is in a sequence or an item.
    pub value: String,
    /// Whether the value may tell who the patient is (PS3.15, table E.1-1), or lies in a sequence that may.
    pub is_confidential: bool,
    /// Whether lines of a greater depth follow that belong to it.
    pub has_content: bool,
}

impl HeaderLine {
    /// `(0008,0060)`; empty for an item.
    pub fn tag_words(&self) -> String {
        self.tag.map_or_else(String::new, |(group, element)| {
            format!("({group:04x},{element:04x})")
        })
    }
}
