//! A request and its grid series.
//!
//! Invariant: a request that was read is well formed throughout, so that walking over it again meets no error.

use super::super::protobuf::{Fields, Malformed};

/// A request to write, over the bytes that came.
#[derive(Debug, Clone, Copy)]
pub struct PushRequest<'m> {
    message: &'m [u8],
    /// What the response repeats.
    pub sequence: u64,
    /// The cluster of grid series that name none.
    pub default_cluster: &'m str,
    /// Grid series in it.
    pub grid_series: usize,
    /// Whether there are series with labels, or metadata, for which the decoder of remote write 1.0 is to be asked.
    pub has_stamped: bool,
}

/// A metric at one place of the tree; texts that are missing are empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct GridSeries<'m> {
    /// The cluster.
    pub cluster: &'m str,
    /// The host.
    pub host: &'m str,
    /// The metric.
    pub metric: &'m str,
    /// The scope, `hwthread` for one.
    pub kind: &'m str,
    /// Its number or name.
    pub id: &'m str,
    /// The scope below that.
    pub sub_kind: &'m str,
    /// Its number or name.
    pub sub_id: &'m str,
    fields: Fields<'m>,
}

/// A value at a time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GridSample {
    /// The value.
    pub value: f64,
    /// Milliseconds since 1970; 0 for the time of receipt.
    pub time_ms: i64,
}

impl<'m> PushRequest<'m> {
    /// Reads a message. Series with labels and metadata are looked at by whoever decodes them.
    ///
    /// # Errors
    ///
    /// Bytes that are no `treering.v1.WriteRequest`.
    pub fn read(message: &'m [u8]) -> Result<Self, Malformed> {
        let mut request = PushRequest { message, sequence: 0, default_cluster: "", grid_series: 0, has_stamped: false };
        let mut fields = Fields::of_body(message);
        while let Some((field, value)) = fields.next()? {
            match field {
                1 | 3 => request.has_stamped = true,
                4 => request.sequence = value.varint(&fields)?,
                5 => request.default_cluster = value.text(&fields)?,
                6 => {
                    request.grid_series += 1;
                    let series = GridSeries::read(value.message(&fields)?)?;
                    let mut samples = series.fields;
                    while next_sample(&mut samples)?.is_some() {}
                }
                _ => {}
            }
        }
        Ok(request)
    }

    /// The bytes that came.
    pub fn message(&self) -> &'m [u8] {
        self.message
    }

    /// The grid series, in the order of the message.
    pub fn grid(&self) -> impl Iterator<Item = GridSeries<'m>> + use<'m> {
        let mut fields = Fields::of_body(self.message);
        std::iter::from_fn(move || {
            // All of it was walked over before, without an error.
            while let Ok(Some((field, value))) = fields.next() {
                if field == 6 {
                    return GridSeries::read(value.message(&fields).ok()?).ok();
                }
            }
            None
        })
    }
}

impl<'m> GridSeries<'m> {
    fn read(message: Fields<'m>) -> Result<Self, Malformed> {
        let mut series = GridSeries { fields: message, ..GridSeries::default() };
        let mut fields = message;
        while let Some((field, value)) = fields.next()? {
            let text = match field {
                1 => &mut series.cluster,
                2 => &mut series.host,
                3 => &mut series.metric,
                4 => &mut series.kind,
                5 => &mut series.id,
                6 => &mut series.sub_kind,
                7 => &mut series.sub_id,
                _ => continue,
            };
            *text = value.text(&fields)?;
        }
        Ok(series)
    }

    /// The samples, in the order of the message.
    pub fn samples(&self) -> impl Iterator<Item = GridSample> + use<'m> {
        let mut fields = self.fields;
        std::iter::from_fn(move || next_sample(&mut fields).ok().flatten())
    }
}

/// The next sample among the fields of a series.
fn next_sample(fields: &mut Fields<'_>) -> Result<Option<GridSample>, Malformed> {
    while let Some((field, value)) = fields.next()? {
        if field == 8 {
            let mut sample = GridSample::default();
            let mut fields = value.message(fields)?;
            while let Some((field, value)) = fields.next()? {
                match field {
                    1 => sample.value = value.double(&fields)?,
                    2 => sample.time_ms = value.signed(&fields)?,
                    _ => {}
                }
            }
            return Ok(Some(sample));
        }
    }
    Ok(None)
}
