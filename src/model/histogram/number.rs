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
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (exponent_min..exponent_max).contains(&exponent) {
        return format!("{number}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
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
}
