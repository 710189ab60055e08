//! Command sets: the requests and responses of C-ECHO and C-STORE (PS3.7 sections 9.1, 9.3 and annex E). They are
//! always in implicit little endian.

use super::status::DimseStatus;
use crate::data_elements::{Encoding, TopElement, TopElements};

/// The most bytes of a command set. Those of C-ECHO and C-STORE have about 200.
pub const LONGEST_COMMAND: usize = 16 << 10;
/// The longest comment (LO).
const LONGEST_COMMENT: usize = 64;
/// Command Data Set Type of a message without a data set (PS3.7 section E.1).
const NO_DATA_SET: u16 = 0x0101;

const AFFECTED_SOP_CLASS: u16 = 0x0002;
const COMMAND_FIELD: u16 = 0x0100;
const MESSAGE_ID: u16 = 0x0110;
const RESPONDED_TO: u16 = 0x0120;
const PRIORITY: u16 = 0x0700;
const DATA_SET_TYPE: u16 = 0x0800;
const STATUS: u16 = 0x0900;
const ERROR_COMMENT: u16 = 0x0902;
const AFFECTED_SOP_INSTANCE: u16 = 0x1000;

pub const C_STORE: u16 = 0x0001;
pub const C_ECHO: u16 = 0x0030;
/// The bit that makes a request's field that of its response.
const RESPONSE: u16 = 0x8000;
/// A request to stop, which has no response.
pub const C_CANCEL: u16 = 0x0fff;

/// A command set, as far as C-ECHO and C-STORE use it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DimseCommand {
    /// Command Field: which operation.
    pub field: u16,
    /// Message ID of a request; of a response, that of its request.
    pub message: u16,
    pub sop_class: String,
    /// Empty in C-ECHO. As it came: it may be anything.
    pub sop_instance: String,
    pub has_data_set: bool,
    /// Of a response.
    pub status: Option<DimseStatus>,
    pub comment: String,
}

impl DimseCommand {
    /// Reads a command set; `None` where it lacks what each of them must have.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut command = DimseCommand::default();
        let (mut field, mut message, mut data_set) = (None, None, None);
        for element in TopElements::of(bytes, Encoding::IMPLICIT) {
            let (group, number_in_group) = (element.tag.0, element.tag.1);
            if group != 0 {
                return None;
            }
            match number_in_group {
                AFFECTED_SOP_CLASS => command.sop_class = element.text(),
                AFFECTED_SOP_INSTANCE => command.sop_instance = element.text(),
                COMMAND_FIELD => field = number(&element),
                MESSAGE_ID | RESPONDED_TO => message = number(&element),
                DATA_SET_TYPE => data_set = number(&element),
                STATUS => command.status = number(&element).map(DimseStatus),
                ERROR_COMMENT => command.comment = element.text(),
                _ => {}
            }
        }
        command.field = field?;
        command.message = message?;
        command.has_data_set = data_set? != NO_DATA_SET;
        Some(command)
    }

    /// A request to store an object.
    pub fn store(message: u16, sop_class: &str, sop_instance: &str) -> Self {
        DimseCommand {
            field: C_STORE,
            message,
            sop_class: sop_class.to_owned(),
            sop_instance: sop_instance.to_owned(),
            has_data_set: true,
            ..DimseCommand::default()
        }
    }

    /// A request to answer.
    pub fn echo(message: u16, sop_class: &str) -> Self {
        DimseCommand {
            field: C_ECHO,
            message,
            sop_class: sop_class.to_owned(),
            ..DimseCommand::default()
        }
    }

    /// The response to this request, with words for the other side's log.
    pub fn answer(&self, status: DimseStatus, comment: &str) -> Self {
        DimseCommand {
            field: self.field | RESPONSE,
            has_data_set: false,
            status: Some(status),
            comment: comment.to_owned(),
            ..self.clone()
        }
    }

    /// Whether this is the response to that request.
    pub fn answers(&self, request: &DimseCommand) -> bool {
        self.field == request.field | RESPONSE && self.message == request.message
    }

    /// The command set as bytes, with its group length.
    pub fn encode(&self) -> Vec<u8> {
        let is_response = self.field & RESPONSE != 0;
        let mut set = Vec::with_capacity(256);
        put_text(&mut set, AFFECTED_SOP_CLASS, &self.sop_class, 0);
        put_number(&mut set, COMMAND_FIELD, self.field);
        let message = if is_response {
            RESPONDED_TO
        } else {
            MESSAGE_ID
        };
        put_number(&mut set, message, self.message);
        if self.field == C_STORE {
            put_number(&mut set, PRIORITY, 0);
        }
        let data_set = if self.has_data_set { 0 } else { NO_DATA_SET };
        put_number(&mut set, DATA_SET_TYPE, data_set);
        if let Some(status) = self.status {
            put_number(&mut set, STATUS, status.0);
        }
        let is_plain = |c: &char| (' '..='~').contains(c) && *c != '\\';
        let comment: String = self
            .comment
            .chars()
            .filter(is_plain)
            .take(LONGEST_COMMENT)
            .collect();
        put_text(&mut set, ERROR_COMMENT, &comment, b' ');
        put_text(&mut set, AFFECTED_SOP_INSTANCE, &self.sop_instance, 0);
        let length = u32::try_from(set.len()).unwrap_or(u32::MAX);
        let mut whole = Vec::with_capacity(set.len() + 12);
        put(&mut whole, 0, &length.to_le_bytes());
        whole.extend(set);
        whole
    }
}

/// The value as an unsigned number of 16 bits.
fn number(element: &TopElement) -> Option<u16> {
    element.value.try_into().ok().map(u16::from_le_bytes)
}

fn put(set: &mut Vec<u8>, number: u16, value: &[u8]) {
    set.extend([0, 0]);
    set.extend(number.to_le_bytes());
    set.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
    set.extend(value);
}

fn put_number(set: &mut Vec<u8>, number: u16, value: u16) {
    put(set, number, &value.to_le_bytes());
}

/// A text is padded to an even length, and left out if it is empty.
fn put_text(set: &mut Vec<u8>, number: u16, text: &str, padding: u8) {
    if !text.is_empty() {
        let mut value = text.as_bytes().to_vec();
        if value.len() % 2 == 1 {
            value.push(padding);
        }
        put(set, number, &value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_read_as_it_was_written() {
        let store = DimseCommand::store(7, "1.2.840.10008.5.1.4.1.1.1", "1.2.3");
        let stored = store.answer(DimseStatus::OUT_OF_RESOURCES, "the disk is full");
        let echo = DimseCommand::echo(1, "1.2.840.10008.1.1");
        for command in [store.clone(), stored.clone(), echo.clone()] {
            let bytes = command.encode();
            assert_eq!(bytes.len() % 2, 0);
            assert_eq!(DimseCommand::parse(&bytes), Some(command));
        }
        assert!(stored.answers(&store) && !stored.answers(&echo));
        assert_eq!(stored.field, 0x8001);
    }

    /// A C-ECHO-RQ as in PS3.7 table 9.3-12, byte by byte.
    #[test]
    fn an_echo_has_the_bytes_of_the_standard() {
        let expected = b"\0\0\0\0\x04\0\0\0\x38\0\0\0\
            \0\0\x02\0\x12\0\0\x001.2.840.10008.1.1\0\
            \0\0\0\x01\x02\0\0\0\x30\0\
            \0\0\x10\x01\x02\0\0\0\x01\0\
            \0\0\0\x08\x02\0\0\0\x01\x01";
        assert_eq!(
            DimseCommand::echo(1, "1.2.840.10008.1.1").encode(),
            expected
        );
    }

    #[test]
    fn what_is_no_command_set_is_refused() {
        let whole = DimseCommand::echo(1, "1.2.840.10008.1.1").encode();
        for end in 0..whole.len() {
            assert_eq!(DimseCommand::parse(&whole[..end]), None, "{end}");
        }
        let mut other_group = whole.clone();
        other_group.extend(b"\x08\0\x18\0\0\0\0\0");
        assert_eq!(DimseCommand::parse(&other_group), None);
    }

    #[test]
    fn a_comment_is_short_and_plain() {
        let request = DimseCommand::echo(1, "1.2");
        let answer = request.answer(DimseStatus::SUCCESS, &"é\x1b[2Jab\\".repeat(40));
        let read = DimseCommand::parse(&answer.encode()).unwrap();
        assert!(read.comment.len() <= 64 && read.comment.starts_with("[2Jab[2Jab"));
    }
}
