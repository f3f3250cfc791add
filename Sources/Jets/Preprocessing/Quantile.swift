/// The quantile of rising values (at least one) by linear interpolation, as NumPy computes it.
func quantile(_ probability: Double, ofSorted values: [Float]) -> Double {
    let position = probability * Double(values.count - 1)
    let low = min(Int(position), values.count - 1)
    let high = min(low + 1, values.count - 1)
    let (a, b, t) = (Double(values[low]), Double(values[high]), position - Double(low))
    return t < 0.5 ? a + (b - a) * t : b - (b - a) * (1 - t)
}
