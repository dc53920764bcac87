//! Exact decimal arithmetic for `addf`, `subf`, `mulf` and `divf`: 0.1 + 0.2 is 0.3 there.

/// `mantissa × 10^-scale`
#[derive(Debug, Clone, Copy)]
pub(super) struct Decimal {
    mantissa: i128,
    scale: u32,
}

/// Digits behind the point that a division keeps.
const DIVISION_PLACES: u32 = 16;

impl Decimal {
    /// The shortest digits of a double. `None` for what is no number and what does not fit.
    pub(super) fn from_float(x: f64) -> Option<Decimal> {
        let text = format!("{x:e}");
        let (digits, exponent) = text.split_once('e')?;
        let exponent: i32 = exponent.parse().ok()?;
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
        let scale = i32::try_from(fraction.len()).ok()? - exponent;
        if scale < 0 {
            let mantissa = mantissa.checked_mul(power(scale.unsigned_abs())?)?;
            return Some(Decimal { mantissa, scale: 0 });
        }
        Some(Decimal {
            mantissa,
            scale: scale.unsigned_abs(),
        })
    }

    pub(super) fn to_float(self) -> f64 {
        format!("{}e-{}", self.mantissa, self.scale)
            .parse()
            .unwrap_or(0.0)
    }

    fn rescaled(self, scale: u32) -> Option<i128> {
        self.mantissa
            .checked_mul(power(scale.checked_sub(self.scale)?)?)
    }

    pub(super) fn add(self, other: Decimal) -> Option<Decimal> {
        let scale = self.scale.max(other.scale);
        let mantissa = self.rescaled(scale)?.checked_add(other.rescaled(scale)?)?;
        Some(Decimal { mantissa, scale })
    }

    pub(super) fn sub(self, other: Decimal) -> Option<Decimal> {
        let scale = self.scale.max(other.scale);
        let mantissa = self.rescaled(scale)?.checked_sub(other.rescaled(scale)?)?;
        Some(Decimal { mantissa, scale })
    }

    pub(super) fn mul(self, other: Decimal) -> Option<Decimal> {
        Some(Decimal {
            mantissa: self.mantissa.checked_mul(other.mantissa)?,
            scale: self.scale.checked_add(other.scale)?,
        })
    }

    /// Rounded half away from zero. `None` also for a division by zero; ask [`Decimal::is_zero`] first.
    pub(super) fn div(self, other: Decimal) -> Option<Decimal> {
        let scale = self.scale.max(other.scale);
        let left = self.rescaled(scale)?.checked_mul(power(DIVISION_PLACES)?)?;
        let right = other.rescaled(scale)?;
        let quotient = left.checked_div(right)?;
        let rest = left.checked_rem(right)?;
        let round = rest.unsigned_abs().checked_mul(2)? >= right.unsigned_abs();
        let away = if (left < 0) == (right < 0) { 1 } else { -1 };
        Some(Decimal {
            mantissa: if round { quotient + away } else { quotient },
            scale: DIVISION_PLACES,
        })
    }

    pub(super) fn is_zero(self) -> bool {
        self.mantissa == 0
    }
}

fn power(exponent: u32) -> Option<i128> {
    10i128.checked_pow(exponent)
}
