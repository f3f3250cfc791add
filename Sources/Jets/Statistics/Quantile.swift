/// The quantile of rising values (at least one) by linear interpolation, NumPy's default; 0.5 is the median.
///
/// With n values, the position h = p (n − 1) lies between the values ⌊h⌋ and ⌊h⌋ + 1, counted from 0.
package func quantile(_ probability: Double, ofSorted values: [Float]) -> Double {
    let position = probability * Double(values.count - 1)
    let low = min(Int(position), values.count - 1)
    let high = min(low + 1, values.count - 1)
    let (a, b, t) = (Double(values[low]), Double(values[high]), position - Double(low))
    return t < 0.5 ? a + (b - a) * t : b - (b - a) * (1 - t)
}
