//! PDUs over a connection with a stranger (PS3.8 section 9.3): each has a largest size and a time limit.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use dicom_ul::pdu::{
    AbortRQServiceProviderReason, AbortRQSource, PDU_HEADER_SIZE, Pdu, read_pdu, write_pdu,
};

/// The longest PDU, without its header, that may be sent to this side: the most that DCMTK sends.
pub const LONGEST_PDU: u32 = 131_072;
/// How long the other side may take to close a connection that has ended.
const CLOSING: Duration = Duration::from_secs(2);
/// As many bytes of what it still sends are thrown away then.
const LAST_BYTES: u64 = 4 << 20;

const HEADER: usize = PDU_HEADER_SIZE as usize;

/// Why no PDU came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PduFault {
    #[error("the connection was closed")]
    Closed,
    #[error("nothing came for {} s", .0.as_secs())]
    Silent(Duration),
    #[error("one object took too long")]
    Late,
    #[error("a PDU of {0} bytes was announced; {LONGEST_PDU} are allowed")]
    TooLong(u32),
    #[error("what came is no PDU of DICOM")]
    Garbage,
    #[error("the connection broke ({0})")]
    Broken(ErrorKind),
}

/// Reads one PDU. No more than its header is read before its size is known to be allowed.
///
/// # Errors
/// If none came, or what came is none.
pub fn read_from(reader: &mut impl Read, buffer: &mut Vec<u8>) -> Result<Pdu, PduFault> {
    let mut header = [0; HEADER];
    fill(reader, &mut header)?;
    let [kind, _, length @ ..] = header;
    let length = u32::from_be_bytes(length);
    // The kinds of PDUs (PS3.8 section 9.3.1). What begins otherwise is another protocol.
    if !(1..=7).contains(&kind) {
        return Err(PduFault::Garbage);
    }
    if length > LONGEST_PDU {
        return Err(PduFault::TooLong(length));
    }
    buffer.clear();
    buffer.extend(header);
    buffer.resize(HEADER + length as usize, 0);
    fill(reader, &mut buffer[HEADER..])?;
    match read_pdu(buffer.as_slice(), LONGEST_PDU, true) {
        Ok(Some(pdu)) => Ok(pdu),
        Ok(None) | Err(_) => Err(PduFault::Garbage),
    }
}

fn fill(reader: &mut impl Read, bytes: &mut [u8]) -> Result<(), PduFault> {
    reader
        .read_exact(bytes)
        .map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => PduFault::Closed,
            kind => PduFault::Broken(kind),
        })
}

/// A connection.
pub struct PduStream {
    stream: TcpStream,
    /// How long one PDU may take to come or to go.
    silence: Duration,
    buffer: Vec<u8>,
}

impl PduStream {
    pub fn new(stream: TcpStream, silence: Duration) -> io::Result<Self> {
        // On some systems an accepted socket inherits this from its listener.
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        Ok(PduStream {
            stream,
            silence,
            buffer: Vec::new(),
        })
    }

    /// Waits for a PDU, which must be whole when the time of one PDU has passed, and at `until`, when the object that it
    /// belongs to must be.
    ///
    /// # Errors
    /// If none came, or what came is none.
    pub fn receive(&mut self, until: Option<Instant>) -> Result<Pdu, PduFault> {
        let end = Instant::now() + self.silence;
        let mut timed = Timed {
            stream: &self.stream,
            end: until.map_or(end, |until| until.min(end)),
        };
        read_from(&mut timed, &mut self.buffer).map_err(|fault| match fault {
            PduFault::Broken(ErrorKind::TimedOut) => match until {
                Some(until) if until < end => PduFault::Late,
                _ => PduFault::Silent(self.silence),
            },
            other => other,
        })
    }

    /// Sends a PDU.
    ///
    /// # Errors
    /// If the other side has not taken all of it when the time of one PDU has passed.
    pub fn send(&mut self, pdu: &Pdu) -> Result<(), PduFault> {
        self.buffer.clear();
        write_pdu(&mut self.buffer, pdu).map_err(|_| PduFault::Garbage)?;
        let mut timed = Timed {
            stream: &self.stream,
            end: Instant::now() + self.silence,
        };
        let written = timed.write_all(&self.buffer);
        written.map_err(|error| match error.kind() {
            ErrorKind::TimedOut => PduFault::Silent(self.silence),
            kind => PduFault::Broken(kind),
        })
    }

    /// Tells the other side that this is the end, as far as it listens.
    pub fn abort(&mut self, reason: AbortRQServiceProviderReason) {
        let source = AbortRQSource::ServiceProvider(reason);
        let _ = self.send(&Pdu::AbortRQ { source });
    }

    /// Closes the connection. The other side is given a moment to read what was sent last: a connection with unread
    /// bytes would be reset, and its last PDU lost.
    pub fn close(self) {
        let _ = self.stream.shutdown(Shutdown::Write);
        let timed = Timed {
            stream: &self.stream,
            end: Instant::now() + CLOSING,
        };
        let _ = io::copy(&mut timed.take(LAST_BYTES), &mut io::sink());
    }
}

/// Reads and writes until a moment.
struct Timed<'a> {
    stream: &'a TcpStream,
    end: Instant,
}

impl Timed<'_> {
    /// The time that is left.
    ///
    /// # Errors
    /// If there is none.
    fn left(&self) -> io::Result<Option<Duration>> {
        match self.end.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(ErrorKind::TimedOut.into()),
            left => Ok(Some(left)),
        }
    }
}

/// Linux says of a time that has passed that it would have to wait.
fn timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::WouldBlock => ErrorKind::TimedOut.into(),
        _ => error,
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(bytes).map_err(timed_out)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use dicom_ul::pdu::{PDataValue, PDataValueType};

    use super::*;

    fn read(bytes: &[u8]) -> Result<Pdu, PduFault> {
        read_from(&mut { bytes }, &mut Vec::new())
    }

    #[test]
    fn a_pdu_is_measured_before_it_is_read() {
        assert_eq!(read(b"\x05\0\0\0\0\x04\0\0\0\0"), Ok(Pdu::ReleaseRQ));
        assert_eq!(
            read(b"\x04\0\xff\xff\xff\xff"),
            Err(PduFault::TooLong(u32::MAX))
        );
        assert_eq!(read(b"\x04\0\0\x02\0\x01"), Err(PduFault::TooLong(131_073)));
        assert_eq!(read(b"GET / HTTP/1.1\r\n"), Err(PduFault::Garbage));
        assert_eq!(read(b""), Err(PduFault::Closed));
        assert_eq!(read(b"\x05\0\0\0\0\x04\0"), Err(PduFault::Closed));
        // An A-ASSOCIATE-RQ that is too short for its titles.
        assert_eq!(read(b"\x01\0\0\0\0\x02\0\x01"), Err(PduFault::Garbage));
    }

    #[test]
    fn one_who_takes_little_now_and_then_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let slow = thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            let mut few = [0; 50_000];
            for _ in 0..20 {
                let _ = stream.read(&mut few).unwrap();
                thread::sleep(Duration::from_millis(100));
            }
        });
        let silence = Duration::from_millis(500);
        let mut stream = PduStream::new(listener.accept().unwrap().0, silence).unwrap();
        let value = PDataValue {
            presentation_context_id: 1,
            value_type: PDataValueType::Data,
            is_last: true,
            data: vec![0; 16 << 20],
        };
        let long = Pdu::PData { data: vec![value] };
        let began = Instant::now();
        assert_eq!(stream.send(&long), Err(PduFault::Silent(silence)));
        assert!(began.elapsed() < 10 * silence, "{:?}", began.elapsed());
        drop(stream);
        slow.join().unwrap();
    }

    #[test]
    fn one_who_sends_a_byte_now_and_then_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let slow = thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            // A PDU of 1,000 bytes.
            let _ = stream.write_all(b"\x05\0\0\0\x03\xe8");
            while stream.write_all(b"\0").is_ok() {
                thread::sleep(Duration::from_millis(100));
            }
        });
        let silence = Duration::from_millis(300);
        let mut stream = PduStream::new(listener.accept().unwrap().0, silence).unwrap();
        let began = Instant::now();
        assert_eq!(stream.receive(None), Err(PduFault::Silent(silence)));
        assert_eq!(stream.receive(Some(began)), Err(PduFault::Late));
        assert!(began.elapsed() < Duration::from_secs(30));
        drop(stream);
        slow.join().unwrap();
    }
}
