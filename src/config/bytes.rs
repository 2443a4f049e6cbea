//! Sizes with units: `512MB`, `16GiB`.

/// Why a text is no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no size: expected a number with a unit like \"512MB\", \"1.5GB\" or \"16GiB\"")]
pub struct BytesError {
    text: String,
}

/// Reads a number of bytes with its unit: `B`, `kB`, `MB`, `GB`, `TB` are powers of 1000, `KiB`, `MiB`, `GiB`, `TiB`
/// powers of 1024; upper and lower case are the same, one space before the unit is allowed. Fractions are rounded
/// down to whole bytes.
pub fn parse_bytes(text: &str) -> Result<u64, BytesError> {
    let error = || BytesError { text: text.to_owned() };
    let unit_start = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(error)?;
    let (number, unit) = text.split_at(unit_start);
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let one: u128 = match unit.to_ascii_lowercase().as_str() {
        "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err(error()),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    // 18 digits of each part keep every product below within 128 bits.
    if whole.is_empty() || fraction.is_empty() || fraction.contains('.') || whole.len() > 18 || fraction.len() > 18 {
        return Err(error());
    }
    let whole: u128 = whole.parse().map_err(|_| error())?;
    let parts: u128 = fraction.parse().map_err(|_| error())?;
    let scale = 10u128.pow(u32::try_from(fraction.len()).map_err(|_| error())?);
    u64::try_from(whole * one + parts * one / scale).map_err(|_| error())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_are_decimal_or_binary() {
        for (text, bytes) in [
            ("512MB", 512_000_000),
            ("16GiB", 16 << 30),
            ("1.5gb", 1_500_000_000),
            ("0B", 0),
            ("2 KiB", 2048),
            ("0.5KiB", 512),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "512", "MB", "1.MB", ".5MB", "1.2.3MB", "-1MB", "1 M", "1G", "99999999TiB", "1  MB", "1e3MB"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[0-9.]{0,40}[ ]?[a-zA-Z]{0,4}") {
            let _ = parse_bytes(&text);
        }

        #[test]
        fn whole_bytes_come_back(bytes in 0u64..1_000_000_000_000_000_000) {
            prop_assert_eq!(parse_bytes(&format!("{bytes}B")), Ok(bytes));
        }
    }
}
