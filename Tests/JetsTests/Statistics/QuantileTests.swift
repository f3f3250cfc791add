import Jets
import Testing

struct QuantileTests {
    /// `numpy.quantile(values.astype(float64), p)` with NumPy's default method.
    @Test(
        arguments: [
            ([1, 2, 4, 8], 0.5, 3), ([1, 2, 4, 8], 0.25, 1.75), ([1, 2, 4, 8], 0.95, 7.399999999999999),
            ([1, 2, 4], 0.5, 2), ([5], 0.3, 5), ([1, 2, 4, 8], 0, 1), ([1, 2, 4, 8], 1, 8),
            ([-3.5, 0.25, 0.25, 7, 11, 40], 0.9, 25.5), ([-3.5, 0.25, 0.25, 7, 11, 40], 0.5, 3.625),
        ] as [([Float], Double, Double)])
    func agreesWithNumPy(_ values: [Float], _ probability: Double, _ expected: Double) {
        #expect(quantile(probability, ofSorted: values) == expected)
    }
}
