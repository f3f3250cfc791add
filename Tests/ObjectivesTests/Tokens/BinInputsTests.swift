import Jets
import Models
import Objectives
import Tensors
import TestSupport
import Testing

@Suite struct BinInputsTests {
    /// The bins of a benchmark have the spacing of the options; values that give no bins are an error.
    @Test(arguments: FeatureBins.Spacing.allCases) func syntheticBins(spacing: FeatureBins.Spacing) throws {
        var options = FittedBins.Options()
        (options.count, options.spacing) = (4, spacing)
        let inputs = options.makeInputs(JetShape(features: 1, maxConstituents: 5), section: "model.inputs")
        func points(_ count: Int) -> Tensor {
            Tensor((0..<count).map { Float($0 * $0) }, shape: [count, 1])
        }
        let expected = try FeatureBins.fit(points(64), bins: 4, spacing: spacing, on: alone)
        try inputs.useSyntheticTokens(points)
        #expect(inputs.state.tensors["borders"]?.array == expected.table.array)
        let text = failure { try inputs.useSyntheticTokens { _ in Tensor(shape: [0, 1]) } }
        #expect(text.contains("bins cannot be fitted"), "\(text)")
    }
}
