import Jets
import TestSupport
import Testing

@Suite struct PreprocessingOptionsTests {
    private func fitted(_ name: PreprocessingOptions.Name) throws -> any Preprocessing {
        let dataset = try JetDataset(paths: [sample("val")], reading: .withEmptyJets, on: alone)
        var options = PreprocessingOptions()
        (options.name, options.jets, options.quantiles) = (name, 300, 20)
        return try options.fit(dataset, features: JetFeatures(["pt", "d0"]), seed: 1, on: alone)
    }

    /// Checkpoints and exported models have no more than the name, the features and the arrays.
    @Test(arguments: PreprocessingOptions.Name.allCases)
    func isRebuiltFromItsArrays(name: PreprocessingOptions.Name) throws {
        let preprocessing = try fitted(name)
        let type = name.type
        #expect(type.name == name.rawValue && type == Swift.type(of: preprocessing))
        #expect(preprocessing.arrays.map(\.name) == type.arrayNames)
        let again = try type.init(features: preprocessing.features, arrays: preprocessing.arrays)
        #expect(again.features == preprocessing.features && again.arrays == preprocessing.arrays)
    }

    @Test func namesOfArraysTellTheKind() {
        let names = PreprocessingOptions.Name.allCases.flatMap { $0.type.arrayNames }
        #expect(Set(names).count == names.count)
    }

    @Test(arguments: PreprocessingOptions.Name.allCases)
    func arraysOfOtherShapesAreNamed(name: PreprocessingOptions.Name) throws {
        let preprocessing = try fitted(name)
        for (shape, count) in [([2], 2), ([3, 3], 9), ([1, 2], 2)] {
            var arrays = preprocessing.arrays
            arrays[0] = FittedArray(name: arrays[0].name, shape: shape, values: .init(repeating: 1, count: count))
            let message = failure { _ = try name.type.init(features: preprocessing.features, arrays: arrays) }
            let fits = name == .standard && shape != [3, 3]
            #expect(message.contains("'\(arrays[0].name)' of the stored preprocessing has the shape") == !fits)
        }
    }
}
