//! The protobuf form of a request.

use std::borrow::Cow;

use super::super::protobuf::{Fields, Malformed, Value, zigzag};
use super::error::OtlpBodyError;
use super::message::{
    AnyValue, Attribute, Counts, ExponentialPoint, Exponentials, HistogramPoint, Histograms, Metric, NumberPoint,
    Numbers, PointExemplar, Quantile, Request, Resource, ResourceMetrics, Scope, ScopeMetrics, Summaries, SummaryPoint,
};

/// Reads a request of at most so many parts.
pub(super) fn read_request(body: &[u8], parts_max: usize) -> Result<Request<'_>, OtlpBodyError> {
    let mut reader = Reader { parts_left: parts_max, parts_max };
    let mut request = Request::default();
    reader.each(Fields::of_body(body), |reader, field, value, at| {
        if field == 1 {
            request.resource_metrics.push(reader.resource_metrics(value.message(at)?)?);
        }
        Ok(())
    })?;
    Ok(request)
}

/// Counts the parts that were read: small in the body, they are large in memory.
struct Reader {
    parts_left: usize,
    parts_max: usize,
}

type Read<T> = Result<T, OtlpBodyError>;

impl Reader {
    /// Shows every field of a message to `take`.
    fn each<'a>(
        &mut self,
        mut fields: Fields<'a>,
        mut take: impl FnMut(&mut Reader, u32, Value<'a>, &Fields<'a>) -> Read<()>,
    ) -> Read<()> {
        self.parts_left = self.parts_left.checked_sub(1).ok_or(OtlpBodyError::TooMany { limit: self.parts_max })?;
        while let Some((field, value)) = fields.next()? {
            take(self, field, value, &fields)?;
        }
        Ok(())
    }

    fn resource_metrics<'a>(&mut self, fields: Fields<'a>) -> Read<ResourceMetrics<'a>> {
        let mut metrics = ResourceMetrics::default();
        self.each(fields, |reader, field, value, at| {
            match field {
                1 => metrics.resource = reader.resource(value.message(at)?)?,
                2 => metrics.scope_metrics.push(reader.scope_metrics(value.message(at)?)?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(metrics)
    }

    fn resource<'a>(&mut self, fields: Fields<'a>) -> Read<Resource<'a>> {
        let mut resource = Resource::default();
        self.each(fields, |reader, field, value, at| {
            if field == 1 {
                resource.attributes.push(reader.attribute(value.message(at)?, 0)?);
            }
            Ok(())
        })?;
        Ok(resource)
    }

    fn scope_metrics<'a>(&mut self, fields: Fields<'a>) -> Read<ScopeMetrics<'a>> {
        let mut metrics = ScopeMetrics::default();
        self.each(fields, |reader, field, value, at| {
            match field {
                1 => metrics.scope = reader.scope(value.message(at)?)?,
                2 => metrics.metrics.push(reader.metric(value.message(at)?)?),
                3 => metrics.schema_url = value.text(at)?.into(),
                _ => {}
            }
            Ok(())
        })?;
        Ok(metrics)
    }

    fn scope<'a>(&mut self, fields: Fields<'a>) -> Read<Scope<'a>> {
        let mut scope = Scope::default();
        self.each(fields, |reader, field, value, at| {
            match field {
                1 => scope.name = value.text(at)?.into(),
                2 => scope.version = value.text(at)?.into(),
                3 => scope.attributes.push(reader.attribute(value.message(at)?, 0)?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(scope)
    }

    fn metric<'a>(&mut self, fields: Fields<'a>) -> Read<Metric<'a>> {
        let mut metric = Metric::default();
        self.each(fields, |reader, field, value, at| {
            if [5, 7, 9, 10, 11].contains(&field) {
                // One of them at a time: the last one counts.
                let Metric { name, description, unit, .. } = std::mem::take(&mut metric);
                metric = Metric { name, description, unit, ..Metric::default() };
            }
            match field {
                1 => metric.name = value.text(at)?.into(),
                2 => metric.description = value.text(at)?.into(),
                3 => metric.unit = value.text(at)?.into(),
                5 => metric.gauge = Some(reader.numbers(value.message(at)?)?),
                7 => metric.sum = Some(reader.numbers(value.message(at)?)?),
                9 => metric.histogram = Some(reader.histograms(value.message(at)?)?),
                10 => metric.exponential_histogram = Some(reader.exponentials(value.message(at)?)?),
                11 => metric.summary = Some(reader.summaries(value.message(at)?)?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(metric)
    }

    fn numbers<'a>(&mut self, fields: Fields<'a>) -> Read<Numbers<'a>> {
        let mut numbers = Numbers::default();
        self.each(fields, |reader, field, value, at| {
            match field {
                1 => numbers.data_points.push(reader.number_point(value.message(at)?)?),
                2 => numbers.aggregation_temporality = value.varint(at)?,
                3 => numbers.is_monotonic = value.varint(at)? != 0,
                _ => {}
            }
            Ok(())
        })?;
        Ok(numbers)
    }

    fn histograms<'a>(&mut self, fields: Fields<'a>) -> Read<Histograms<'a>> {
        let mut histograms = Histograms::default();
        self.each(fields, |reader, field, value, at| {
            match field {
                1 => histograms.data_points.push(reader.histogram_point(value.message(at)?)?),
                2 => histograms.aggregation_temporality = value.varint(at)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(histograms)
    }

    fn exponentials<'a>(&mut self, fields: Fields<'a>) -> Read<Exponentials<'a>> {
        let mut histograms = Exponentials::default();
        self.each(fields, |reader, field, value, at| {
            match field {
                1 => histograms.data_points.push(reader.exponential_point(value.message(at)?)?),
                2 => histograms.aggregation_temporality = value.varint(at)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(histograms)
    }

    fn summaries<'a>(&mut self, fields: Fields<'a>) -> Read<Summaries<'a>> {
        let mut summaries = Summaries::default();
        self.each(fields, |reader, field, value, at| {
            if field == 1 {
                summaries.data_points.push(reader.summary_point(value.message(at)?)?);
            }
            Ok(())
        })?;
        Ok(summaries)
    }

    fn number_point<'a>(&mut self, fields: Fields<'a>) -> Read<NumberPoint<'a>> {
        let mut point = NumberPoint::default();
        self.each(fields, |reader, field, value, at| {
            match field {
                2 => point.start_time_unix_nano = value.fixed64(at)?,
                3 => point.time_unix_nano = value.fixed64(at)?,
                4 => (point.as_double, point.as_int) = (Some(value.double(at)?), None),
                5 => point.exemplars.push(reader.exemplar(value.message(at)?)?),
                6 => (point.as_double, point.as_int) = (None, Some(value.fixed64(at)?.cast_signed())),
                7 => point.attributes.push(reader.attribute(value.message(at)?, 0)?),
                8 => point.flags = value.varint(at)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(point)
    }

    fn histogram_point<'a>(&mut self, fields: Fields<'a>) -> Read<HistogramPoint<'a>> {
        let mut point = HistogramPoint::default();
        self.each(fields, |reader, field, value, at| {
            match field {
                2 => point.start_time_unix_nano = value.fixed64(at)?,
                3 => point.time_unix_nano = value.fixed64(at)?,
                4 => point.count = value.fixed64(at)?,
                5 => point.sum = Some(value.double(at)?),
                6 => value.fixed64s(at, |count| point.bucket_counts.push(count))?,
                7 => value.fixed64s(at, |bits| point.explicit_bounds.push(f64::from_bits(bits)))?,
                8 => point.exemplars.push(reader.exemplar(value.message(at)?)?),
                9 => point.attributes.push(reader.attribute(value.message(at)?, 0)?),
                10 => point.flags = value.varint(at)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(point)
    }

    fn exponential_point<'a>(&mut self, fields: Fields<'a>) -> Read<ExponentialPoint<'a>> {
        let mut point = ExponentialPoint::default();
        self.each(fields, |reader, field, value, at| {
            match field {
                1 => point.attributes.push(reader.attribute(value.message(at)?, 0)?),
                2 => point.start_time_unix_nano = value.fixed64(at)?,
                3 => point.time_unix_nano = value.fixed64(at)?,
                4 => point.count = value.fixed64(at)?,
                5 => point.sum = Some(value.double(at)?),
                6 => point.scale = short_zigzag(value, at)?,
                7 => point.zero_count = value.fixed64(at)?,
                8 => point.positive = reader.counts(value.message(at)?)?,
                9 => point.negative = reader.counts(value.message(at)?)?,
                10 => point.flags = value.varint(at)?,
                11 => point.exemplars.push(reader.exemplar(value.message(at)?)?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(point)
    }

    fn counts(&mut self, fields: Fields<'_>) -> Read<Counts> {
        let mut counts = Counts::default();
        self.each(fields, |reader, field, value, at| {
            match field {
                1 => counts.offset = short_zigzag(value, at)?,
                2 => {
                    // A count of one byte takes eight in memory.
                    let (mut found, left) = (0, reader.parts_left);
                    value.varints(at, |count| {
                        found += 1;
                        if found / 8 <= left {
                            counts.bucket_counts.push(count);
                        }
                    })?;
                    let left = left.checked_sub(found / 8);
                    reader.parts_left = left.ok_or(OtlpBodyError::TooMany { limit: reader.parts_max })?;
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(counts)
    }

    fn summary_point<'a>(&mut self, fields: Fields<'a>) -> Read<SummaryPoint<'a>> {
        let mut point = SummaryPoint::default();
        self.each(fields, |reader, field, value, at| {
            match field {
                2 => point.start_time_unix_nano = value.fixed64(at)?,
                3 => point.time_unix_nano = value.fixed64(at)?,
                4 => point.count = value.fixed64(at)?,
                5 => point.sum = value.double(at)?,
                6 => {
                    let mut quantile = Quantile::default();
                    reader.each(value.message(at)?, |_, field, value, at| {
                        match field {
                            1 => quantile.quantile = value.double(at)?,
                            2 => quantile.value = value.double(at)?,
                            _ => {}
                        }
                        Ok(())
                    })?;
                    point.quantile_values.push(quantile);
                }
                7 => point.attributes.push(reader.attribute(value.message(at)?, 0)?),
                8 => point.flags = value.varint(at)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(point)
    }

    fn exemplar<'a>(&mut self, fields: Fields<'a>) -> Read<PointExemplar<'a>> {
        let mut exemplar = PointExemplar::default();
        self.each(fields, |reader, field, value, at| {
            match field {
                2 => exemplar.time_unix_nano = value.fixed64(at)?,
                3 => (exemplar.as_double, exemplar.as_int) = (Some(value.double(at)?), None),
                4 => exemplar.span_id = value.bytes(at)?.to_vec(),
                5 => exemplar.trace_id = value.bytes(at)?.to_vec(),
                6 => (exemplar.as_double, exemplar.as_int) = (None, Some(value.fixed64(at)?.cast_signed())),
                7 => exemplar.filtered_attributes.push(reader.attribute(value.message(at)?, 0)?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(exemplar)
    }

    fn attribute<'a>(&mut self, fields: Fields<'a>, depth: usize) -> Read<Attribute<'a>> {
        let mut attribute = Attribute::default();
        self.each(fields, |reader, field, value, at| {
            match field {
                1 => attribute.key = value.text(at)?.into(),
                2 => attribute.value = reader.value(value.message(at)?, depth)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(attribute)
    }

    fn value<'a>(&mut self, fields: Fields<'a>, depth: usize) -> Read<AnyValue<'a>> {
        if depth > DEPTH_MAX {
            return Err(fields.malformed("expected values that are not nested that deep").into());
        }
        let mut found = AnyValue::Empty;
        self.each(fields, |reader, field, value, at| {
            match field {
                1 => found = AnyValue::Text(value.text(at)?.into()),
                2 => found = AnyValue::Bool(value.varint(at)? != 0),
                3 => found = AnyValue::Int(value.signed(at)?),
                4 => found = AnyValue::Double(value.double(at)?),
                5 => {
                    let mut values = Vec::new();
                    reader.each(value.message(at)?, |reader, field, value, at| {
                        if field == 1 {
                            values.push(reader.value(value.message(at)?, depth + 1)?);
                        }
                        Ok(())
                    })?;
                    found = AnyValue::Array(values);
                }
                6 => {
                    let mut entries = Vec::new();
                    reader.each(value.message(at)?, |reader, field, value, at| {
                        if field == 1 {
                            entries.push(reader.attribute(value.message(at)?, depth + 1)?);
                        }
                        Ok(())
                    })?;
                    found = AnyValue::Map(entries);
                }
                7 => found = AnyValue::Bytes(Cow::Borrowed(value.bytes(at)?)),
                _ => {}
            }
            Ok(())
        })?;
        Ok(found)
    }
}

fn short_zigzag<'a>(value: Value<'a>, at: &Fields<'a>) -> Result<i32, Malformed> {
    Ok(zigzag(value.varint(at)? & 0xFFFF_FFFF) as i32)
}

/// Lists inside of lists in the value of an attribute.
const DEPTH_MAX: usize = 32;
