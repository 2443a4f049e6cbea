//! Writes gob: numbers, structs without what is zero, messages with their lengths.

/// Bytes of a message or a part of one.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// The bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// An unsigned number, in as few bytes as possible.
    pub fn uint(&mut self, number: u64) {
        if number < 0x80 {
            self.bytes.push(number as u8);
            return;
        }
        let digits = number.to_be_bytes();
        let digits = &digits[number.leading_zeros() as usize / 8..];
        self.bytes.push((digits.len() as u8).wrapping_neg());
        self.bytes.extend_from_slice(digits);
    }

    /// A signed number.
    pub fn int(&mut self, number: i64) {
        let shifted = (number as u64) << 1;
        self.uint(if number < 0 { !shifted } else { shifted });
    }

    /// Bytes with their length before them.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.uint(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    /// A message of a type: its length, the id, and what `write` writes.
    pub fn message(&mut self, id: i64, write: impl FnOnce(&mut Writer)) {
        let mut message = Writer::default();
        message.int(id);
        write(&mut message);
        self.bytes(&message.bytes);
    }

    /// A struct.
    pub fn fields(&mut self, write: impl FnOnce(&mut StructWriter<'_>)) {
        let mut fields = StructWriter { out: self, last: -1 };
        write(&mut fields);
        self.bytes.push(0);
    }

    /// The definition of a struct with these fields and the ids of their types.
    pub fn define_struct(&mut self, id: i64, name: &str, own: &[(&str, i64)]) {
        self.message(-id, |out| {
            out.fields(|kind| {
                kind.nested(2, |fields| {
                    fields.nested(0, |common| {
                        common.text(0, name);
                        common.int(1, id);
                    });
                    fields.list(1, own, |out, (name, id)| {
                        out.fields(|field| {
                            field.text(0, name);
                            field.int(1, *id);
                        });
                    });
                });
            });
        });
    }

    /// The definition of a list with elements of that type.
    pub fn define_list(&mut self, id: i64, name: &str, element: i64) {
        self.message(-id, |out| {
            out.fields(|kind| {
                kind.nested(1, |fields| {
                    fields.nested(0, |common| {
                        common.text(0, name);
                        common.int(1, id);
                    });
                    fields.int(1, element);
                });
            });
        });
    }
}

/// Fields of a struct, in rising order; what is zero or empty leaves no trace.
#[derive(Debug)]
pub struct StructWriter<'a> {
    out: &'a mut Writer,
    last: i64,
}

impl StructWriter<'_> {
    fn start(&mut self, field: i64) -> &mut Writer {
        debug_assert!(field > self.last, "fields are written in order");
        self.out.uint((field - self.last) as u64);
        self.last = field;
        self.out
    }

    /// A signed number.
    pub fn int(&mut self, field: i64, number: i64) {
        if number != 0 {
            self.start(field).int(number);
        }
    }

    /// True, or nothing.
    pub fn bool(&mut self, field: i64, is: bool) {
        if is {
            self.start(field).uint(1);
        }
    }

    /// A double; both zeros are nothing.
    pub fn float(&mut self, field: i64, value: f64) {
        if value != 0.0 {
            self.start(field).uint(value.to_bits().swap_bytes());
        }
    }

    /// A string.
    pub fn text(&mut self, field: i64, text: &str) {
        if !text.is_empty() {
            self.start(field).bytes(text.as_bytes());
        }
    }

    /// A list.
    pub fn list<T>(&mut self, field: i64, list: &[T], mut write: impl FnMut(&mut Writer, &T)) {
        if !list.is_empty() {
            let out = self.start(field);
            out.uint(list.len() as u64);
            list.iter().for_each(|element| write(out, element));
        }
    }

    /// A struct inside.
    pub fn nested(&mut self, field: i64, write: impl FnOnce(&mut StructWriter<'_>)) {
        self.start(field).fields(write);
    }
}
