//! Puts messages together from the fragments of P-DATA-TF PDUs (PS3.7 section 6.3, PS3.8 annex E).

use dicom_ul::pdu::{PDataValue, PDataValueType};

use super::command::{DimseCommand, LONGEST_COMMAND};

/// What a fragment adds.
#[derive(Debug, PartialEq, Eq)]
pub enum MessagePart {
    /// A command set that is not whole yet.
    Nothing,
    Command {
        context: u8,
        command: DimseCommand,
    },
    /// A part of the data set of the last command.
    Data {
        bytes: Vec<u8>,
        is_last: bool,
    },
}

/// The fragments make no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageFault {
    #[error("a command set of more than {LONGEST_COMMAND} bytes")]
    LongCommand,
    #[error("a command set that cannot be read")]
    Command,
    #[error("fragments of a message in a wrong order")]
    Order,
}

/// The message that is coming.
#[derive(Debug, Default)]
pub struct MessageReader {
    command: Vec<u8>,
    /// The presentation context of the message, from its first fragment to its last.
    context: Option<u8>,
    wants_data: bool,
}

impl MessageReader {
    /// Whether a message has begun and not ended.
    pub fn is_within(&self) -> bool {
        self.context.is_some()
    }

    /// Takes the next fragment.
    ///
    /// # Errors
    /// If it does not go with those before it. Nothing after it can be understood.
    pub fn take(&mut self, value: PDataValue) -> Result<MessagePart, MessageFault> {
        let context = *self.context.get_or_insert(value.presentation_context_id);
        let is_data = value.value_type == PDataValueType::Data;
        if context != value.presentation_context_id || is_data != self.wants_data {
            return Err(MessageFault::Order);
        }
        if is_data {
            if value.is_last {
                *self = MessageReader::default();
            }
            return Ok(MessagePart::Data {
                bytes: value.data,
                is_last: value.is_last,
            });
        }
        if self.command.len() + value.data.len() > LONGEST_COMMAND {
            return Err(MessageFault::LongCommand);
        }
        self.command.extend(value.data);
        if !value.is_last {
            return Ok(MessagePart::Nothing);
        }
        let command = DimseCommand::parse(&self.command).ok_or(MessageFault::Command)?;
        self.command.clear();
        self.wants_data = command.has_data_set;
        if !command.has_data_set {
            self.context = None;
        }
        Ok(MessagePart::Command { context, command })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(context: u8, value_type: PDataValueType, is_last: bool, data: &[u8]) -> PDataValue {
        PDataValue {
            presentation_context_id: context,
            value_type,
            is_last,
            data: data.to_vec(),
        }
    }

    #[test]
    fn a_message_is_put_together_and_the_next_one_follows() {
        use PDataValueType::{Command, Data};
        let store = DimseCommand::store(1, "1.2", "1.3");
        let echo = DimseCommand::echo(2, "1.2");
        let bytes = store.encode();
        let mut reader = MessageReader::default();
        let first = reader.take(value(3, Command, false, &bytes[..9]));
        assert_eq!(first, Ok(MessagePart::Nothing));
        let second = reader.take(value(3, Command, true, &bytes[9..]));
        assert_eq!(
            second,
            Ok(MessagePart::Command {
                context: 3,
                command: store
            })
        );
        for (data, is_last) in [("ab", false), ("", false), ("c", true)] {
            assert!(reader.is_within());
            let part = reader.take(value(3, Data, is_last, data.as_bytes()));
            assert_eq!(
                part,
                Ok(MessagePart::Data {
                    bytes: data.into(),
                    is_last
                })
            );
        }
        assert!(!reader.is_within());
        let other = reader.take(value(5, Command, true, &echo.encode()));
        assert_eq!(
            other,
            Ok(MessagePart::Command {
                context: 5,
                command: echo
            })
        );
    }

    #[test]
    fn fragments_out_of_order_and_endless_commands_are_refused() {
        use PDataValueType::{Command, Data};
        let store = DimseCommand::store(1, "1.2", "1.3").encode();
        let take = |values: &[(u8, PDataValueType, bool, &[u8])]| {
            let mut reader = MessageReader::default();
            let parts = values.iter().map(|(context, kind, is_last, data)| {
                reader.take(value(*context, kind.clone(), *is_last, data))
            });
            parts.last().unwrap().unwrap_err()
        };
        assert_eq!(take(&[(1, Data, true, b"x")]), MessageFault::Order);
        assert_eq!(
            take(&[(1, Command, true, &store), (1, Command, true, &store)]),
            MessageFault::Order
        );
        assert_eq!(
            take(&[(1, Command, true, &store), (3, Data, true, b"x")]),
            MessageFault::Order
        );
        assert_eq!(take(&[(1, Command, true, b"x")]), MessageFault::Command);
        let half = vec![0; LONGEST_COMMAND];
        assert_eq!(
            take(&[(1, Command, false, &half), (1, Command, false, b"x")]),
            MessageFault::LongCommand
        );
    }
}
