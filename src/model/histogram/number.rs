//! Floats as text, in the two forms that Prometheus's answers use.

/// As in histograms' texts and annotations: `0.1`, `123456`, `1e+06`, `+Inf`, `NaN`.
pub fn general_text(number: f64) -> String {
    shortest(number, -4, 6)
}

/// As in the HTTP API's values, without the quotes: an exponent below 1e-6 and from 1e21 on.
pub fn json_number(number: f64) -> String {
    shortest(number, -6, 21)
}

/// The shortest text that reads back as `number`; powers of ten out of `exponent_min..exponent_max` are written with
/// an exponent of at least two digits.
fn shortest(number: f64, exponent_min: i32, exponent_max: i32) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    if number == 0.0 {
        return if number.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    let (digits, point) = shortest_digits(number.abs());
    let exponent = point - 1;
    let mut text = if number < 0.0 { "-" } else { "" }.to_owned();
    if !(exponent_min..exponent_max).contains(&exponent) {
        let (first, others) = digits.split_at(1);
        let separator = if others.is_empty() { "" } else { "." };
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{text}{first}{separator}{others}e{sign}{:02}", exponent.unsigned_abs());
    }
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    match usize::try_from(point).ok().filter(|point| *point > 0) {
        None => text += &format!("0.{}{digits}", zeros(-point)),
        Some(whole) if whole < digits.len() => {
            let (whole, fraction) = digits.split_at(whole);
            text += &format!("{whole}.{fraction}");
        }
        Some(whole) => text += &format!("{digits}{}", zeros(whole as i32 - digits.len() as i32)),
    }
    text
}

/// The fewest digits that read back as a positive number, and how many of them stand before the point, negative for
/// zeros behind it. Where two such texts are equally near the even one is taken, as Go does; the standard library
/// takes the greater.
fn shortest_digits(number: f64) -> (String, i32) {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(number);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let zeros = (all.len() - digits.len()) as i32;
    let point = whole.len() as i32 - zeros + exponent.parse::<i32>().unwrap_or(0);
    (digits.trim_end_matches('0').to_owned(), point)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_begin_where_prometheus_has_them() {
        let general: Vec<String> =
            [0.0, -0.0, 1.0, -2.5, 999999.0, 1e6, 123456789.0, 1e-4, 9.9e-5, 1e21, f64::MAX].map(general_text).into();
        let expected = "0 -0 1 -2.5 999999 1e+06 1.23456789e+08 0.0001 9.9e-05 1e+21 1.7976931348623157e+308";
        assert_eq!(general.join(" "), expected);
        let json: Vec<String> = [1e6, 1e20, 1e21, 1e-6, 9e-7, 1e-300, 0.1, -4.0].map(json_number).into();
        assert_eq!(json.join(" "), "1000000 100000000000000000000 1e+21 0.000001 9e-07 1e-300 0.1 -4");
        let odd: Vec<String> = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -f64::NAN].map(json_number).into();
        assert_eq!(odd.join(" "), "+Inf -Inf NaN NaN");
    }

    /// Of two equally short and near texts, the standard library takes the greater, Go the one whose last digit is
    /// even: answers once differed from Prometheus's in the last digit.
    #[test]
    fn ties_go_to_the_even_digit() {
        let tie = 200_159_416_377_148.0 + 0.125;
        assert_eq!(json_number(tie), "200159416377148.12");
        assert_eq!(json_number(-tie), "-200159416377148.12");
    }

    /// Every other number is printed as the standard library does it.
    #[test]
    fn digits_are_those_of_the_standard_library() {
        let mut random = crate::testing::Random::new(3);
        for at in 0..200_000 {
            let number = match at % 3 {
                0 => f64::from_bits(random.bits()),
                1 => (random.bits() >> 24) as f64 / 1000.0,
                _ => (random.unit() - 0.5) * 10f64.powi(random.within(-30..30) as i32),
            };
            if !number.is_finite() || number == 0.0 {
                continue;
            }
            let text = json_number(number);
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), number.to_bits(), "{text}");
            let (plain, scientific) = (number.to_string(), format!("{number:e}"));
            let is_plain = (1e-6..1e21).contains(&number.abs());
            let expected = if is_plain { plain } else { scientific.replace('e', "e+").replace("e+-", "e-") };
            if text != expected && !text.contains('e') {
                let last = |text: &str| text.bytes().next_back().unwrap_or_default();
                assert_eq!((text.len(), last(&text) + 1), (expected.len(), last(&expected)), "{text} {expected}");
                assert!(last(&text).is_multiple_of(2), "{text}");
            }
        }
    }
}
