//! Parquet files written byte by byte, also such as no program writes: their footers and pages state what a test wants.
//!
//! Thrift's compact protocol and parquet.thrift (github.com/apache/parquet-format) say what the bytes mean.

#![allow(dead_code)] // Each test binary uses a part of this.

/// A structure of Thrift's compact protocol.
#[derive(Default)]
pub struct Struct {
    bytes: Vec<u8>,
    last: i16,
}

fn unsigned(mut number: u64, into: &mut Vec<u8>) {
    while number >= 0x80 {
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

fn signed(number: i64, into: &mut Vec<u8>) {
    unsigned(((number << 1) ^ (number >> 63)) as u64, into);
}

impl Struct {
    fn field(&mut self, number: i16, kind: u8) {
        let step = number - self.last;
        assert!((1..16).contains(&step));
        self.bytes.push((step as u8) << 4 | kind);
        self.last = number;
    }

    pub fn i32(mut self, number: i16, value: i64) -> Self {
        self.field(number, 5);
        signed(value, &mut self.bytes);
        self
    }

    pub fn i64(mut self, number: i16, value: i64) -> Self {
        self.field(number, 6);
        signed(value, &mut self.bytes);
        self
    }

    pub fn text(mut self, number: i16, value: &str) -> Self {
        self.field(number, 8);
        unsigned(value.len() as u64, &mut self.bytes);
        self.bytes.extend(value.as_bytes());
        self
    }

    pub fn inner(mut self, number: i16, value: Struct) -> Self {
        self.field(number, 12);
        self.bytes.extend(value.end());
        self
    }

    /// A list of elements of one type, each with its bytes.
    pub fn list(mut self, number: i16, kind: u8, elements: &[Vec<u8>]) -> Self {
        self.field(number, 9);
        match elements.len() {
            size @ ..15 => self.bytes.push((size as u8) << 4 | kind),
            size => {
                self.bytes.push(0xf0 | kind);
                unsigned(size as u64, &mut self.bytes);
            }
        }
        self.bytes.extend(elements.concat());
        self
    }

    pub fn end(mut self) -> Vec<u8> {
        self.bytes.push(0);
        self.bytes
    }
}

/// A page of a column of optional texts.
pub struct Page {
    pub is_dictionary: bool,
    /// What its header states.
    pub values: i64,
    pub uncompressed: Option<i64>,
    pub encoding: i64,
    pub body: Vec<u8>,
}

pub const PLAIN: i64 = 0;
pub const RLE: i64 = 3;
pub const DELTA_LENGTHS: i64 = 6;
pub const BY_DICTIONARY: i64 = 8;

impl Page {
    fn bytes(&self) -> Vec<u8> {
        let size = self.body.len() as i64;
        let header = Struct::default()
            .i32(1, if self.is_dictionary { 2 } else { 0 })
            .i32(2, self.uncompressed.unwrap_or(size))
            .i32(3, size);
        let data = Struct::default().i32(1, self.values).i32(2, self.encoding);
        let header = if self.is_dictionary {
            header.inner(7, data)
        } else {
            header.inner(5, data.i32(3, RLE).i32(4, RLE))
        };
        [header.end(), self.body.clone()].concat()
    }
}

/// A run of one value in the hybrid of run lengths and bits, of at most eight bits.
pub fn run(count: u64, value: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    unsigned(count << 1, &mut bytes);
    bytes.push(value);
    bytes
}

/// Levels as a page of the first version has them: after their length.
pub fn levels(runs: &[Vec<u8>]) -> Vec<u8> {
    let runs = runs.concat();
    [&(runs.len() as u32).to_le_bytes()[..], &runs].concat()
}

/// A text as `PLAIN` writes it.
pub fn plain(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

/// Texts, one for each row.
pub fn texts(rows: &[&str]) -> Page {
    let values: Vec<Vec<u8>> = rows.iter().map(|text| plain(text)).collect();
    Page {
        is_dictionary: false,
        values: rows.len() as i64,
        uncompressed: None,
        encoding: PLAIN,
        body: [levels(&[run(rows.len() as u64, 1)]), values.concat()].concat(),
    }
}

/// One text, which so many rows name.
pub fn repeated(rows: u64, text: &str) -> Vec<Page> {
    let dictionary = Page {
        is_dictionary: true,
        values: 1,
        uncompressed: None,
        encoding: PLAIN,
        body: plain(text),
    };
    let body = [levels(&[run(rows, 1)]), vec![1], run(rows, 0)].concat();
    let data = Page {
        is_dictionary: false,
        values: rows as i64,
        uncompressed: None,
        encoding: BY_DICTIONARY,
        body,
    };
    vec![dictionary, data]
}

/// So many rows without a value.
pub fn nothing(rows: u64) -> Page {
    Page {
        is_dictionary: false,
        values: rows as i64,
        uncompressed: None,
        encoding: PLAIN,
        body: levels(&[run(rows, 0)]),
    }
}

/// One list of so many entries, which name one text.
pub fn long_list(entries: u64) -> Vec<Page> {
    let mut pages = repeated(1, "a");
    pages[1].values = entries as i64;
    pages[1].body = [
        levels(&[run(1, 0), run(entries - 1, 1)]),
        levels(&[run(entries, 3)]),
        vec![1],
        run(entries, 0),
    ]
    .concat();
    pages
}

/// One text of so many letters, rounded up, compressed by Snappy as far as that goes: the bytes that it stands for, and
/// itself.
pub fn snappy(letters: usize) -> (i64, Vec<u8>) {
    let copies = letters.div_ceil(64);
    let length = 64 * (copies as u32 + 1);
    let mut bytes = Vec::new();
    unsigned(u64::from(length) + 4, &mut bytes);
    bytes.push((4 - 1) << 2);
    bytes.extend(length.to_le_bytes());
    for part in [&[b'a'; 60][..], &[b'a'; 4]] {
        bytes.push((part.len() as u8 - 1) << 2);
        bytes.extend(part);
    }
    for _ in 0..copies {
        // Sixty-four bytes from sixty-four bytes before.
        bytes.extend([63 << 2 | 2, 64, 0]);
    }
    (i64::from(length) + 4, bytes)
}

/// A column of texts, or of lists of texts.
pub struct Column {
    pub name: &'static str,
    pub is_list: bool,
    pub is_snappy: bool,
    pub pages: Vec<Page>,
}

/// A column of texts.
pub fn column(name: &'static str, pages: Vec<Page>) -> Column {
    Column {
        name,
        is_list: false,
        is_snappy: false,
        pages,
    }
}

/// A file with one group of so many rows.
pub fn file(rows: i64, columns: &[Column]) -> Vec<u8> {
    let mut bytes = b"PAR1".to_vec();
    let mut schema = vec![element("schema", None, Some(columns.len() as i64))];
    let mut chunks = Vec::new();
    for column in columns {
        let begin = bytes.len() as i64;
        let mut data = begin;
        let mut values = 0;
        for page in &column.pages {
            if page.is_dictionary {
                data = begin + page.bytes().len() as i64;
            } else {
                values += page.values;
            }
            bytes.extend(page.bytes());
        }
        let size = bytes.len() as i64 - begin;
        let path: &[&str] = if column.is_list {
            schema.extend([
                element(column.name, Some((1, None)), Some(1)),
                element("list", Some((2, None)), Some(1)),
                element("element", Some((1, Some(6))), None),
            ]);
            &[column.name, "list", "element"]
        } else {
            schema.push(element(column.name, Some((1, Some(6))), None));
            &[column.name]
        };
        let names = path.iter().map(|name| {
            let mut text = Vec::new();
            unsigned(name.len() as u64, &mut text);
            [&text[..], name.as_bytes()].concat()
        });
        let names: Vec<Vec<u8>> = names.collect();
        let meta = Struct::default()
            .i32(1, 6)
            .list(2, 5, &[vec![0], vec![6], vec![16]])
            .list(3, 8, &names)
            .i32(4, i64::from(column.is_snappy))
            .i64(5, values)
            .i64(6, size)
            .i64(7, size)
            .i64(9, data);
        let meta = if data > begin {
            meta.i64(11, begin)
        } else {
            meta
        };
        chunks.push(Struct::default().i64(2, 0).inner(3, meta).end());
    }
    let group = Struct::default()
        .list(1, 12, &chunks)
        .i64(2, bytes.len() as i64)
        .i64(3, rows);
    finished(bytes, &schema, rows, &[group.end()])
}

/// A file with this schema, and no rows.
pub fn file_of_schema(schema: &[Vec<u8>]) -> Vec<u8> {
    finished(b"PAR1".to_vec(), schema, 0, &[])
}

fn finished(mut bytes: Vec<u8>, schema: &[Vec<u8>], rows: i64, groups: &[Vec<u8>]) -> Vec<u8> {
    let footer = Struct::default()
        .i32(1, 1)
        .list(2, 12, schema)
        .i64(3, rows)
        .list(4, 12, groups)
        .end();
    bytes.extend(&footer);
    bytes.extend((footer.len() as u32).to_le_bytes());
    bytes.extend(b"PAR1");
    bytes
}

/// An element of a schema: how often it comes and of which type it is, and how many elements it has below.
pub fn element(name: &str, kind: Option<(i64, Option<i64>)>, children: Option<i64>) -> Vec<u8> {
    let mut element = Struct::default();
    if let Some((repetition, physical)) = kind {
        if let Some(physical) = physical {
            element = element.i32(1, physical);
        }
        element = element.i32(3, repetition);
    }
    element = element.text(4, name);
    if let Some(children) = children {
        element = element.i32(5, children);
    }
    element.end()
}

/// A table of predictions, whose last column is this one.
pub fn table(rows: i64, last: Column) -> Vec<u8> {
    let path = column("path", repeated(rows as u64, "a.png"));
    let status = column("status", repeated(rows as u64, "ok"));
    file(rows, &[path, status, last])
}

/// Files that ask for more than there is, each with words of its refusal.
pub fn bombs() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    const MOST: i64 = i32::MAX as i64;
    let x = |pages| column("x", pages);
    let one = |page| table(1, x(vec![page]));
    let long_page = Page {
        uncompressed: Some(MOST),
        ..texts(&["0.5"])
    };
    let long_page = Column {
        is_snappy: true,
        ..x(vec![long_page])
    };
    let mut dictionary = repeated(1, "0.5");
    dictionary[0].values = MOST;
    let deltas = Page {
        encoding: DELTA_LENGTHS,
        ..texts(&["0.5"])
    };
    let list = Column {
        is_list: true,
        ..x(long_list(1_000_000_000))
    };
    let mut long_text = repeated(4096, "");
    let (length, text) = snappy(64_000);
    long_text[0].body = text;
    long_text[0].uncompressed = Some(length);
    let (data_length, data) = stored(&long_text[1].body);
    long_text[1].body = data;
    long_text[1].uncompressed = Some(data_length);
    let long_text = Column {
        is_snappy: true,
        ..x(long_text)
    };
    let nested = vec![element("g", Some((1, None)), Some(1)); 5_000];
    let wide = vec![element("schema", None, Some(MOST))];
    let mut footer = file(1, &[x(vec![texts(&["0.5"])])]);
    let at = footer.len() - 8;
    footer[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    vec![
        (
            "rows",
            table(1_000_000_000, x(vec![texts(&["0.5"])])),
            "too short",
        ),
        ("page", table(1, long_page), "a page"),
        ("dictionary", table(1, x(dictionary)), "more entries"),
        ("deltas", one(deltas), "differences"),
        ("list", table(1, list), "entries of lists"),
        ("text", table(4096, long_text), "bytes of text"),
        ("nested", file_of_schema(&nested), "nested too deep"),
        ("wide", file_of_schema(&wide), "schema ends early"),
        ("footer", footer, "within its footer"),
    ]
}

/// Bytes in a stream of Snappy, as they are.
fn stored(bytes: &[u8]) -> (i64, Vec<u8>) {
    let mut stream = Vec::new();
    unsigned(bytes.len() as u64, &mut stream);
    for part in bytes.chunks(60) {
        stream.push((part.len() as u8 - 1) << 2);
        stream.extend(part);
    }
    (bytes.len() as i64, stream)
}
