import NN
import Objectives
import Tensors
import TestSupport
import Testing

@Suite struct BinClassificationTests {
    private func task(bins: Int, features: Int = 2) -> BinClassification {
        var options = BinClassification.Options()
        options.bins.count = bins
        return BinClassification(options, width: 3, features: features, in: ParameterBuilder().root)
    }

    /// Two features, one ascending and one descending.
    private let values = Tensor((0..<40).flatMap { [Float($0), Float(-$0)] }, shape: [40, 2])

    /// One target for every value, in row-major order.
    @Test func targetsFollowTheValues() throws {
        let task = task(bins: 4)
        try task.fit(to: values, on: alone)
        #expect(task.targets(Tensor([0, 0, 12, -12, 39, -39], shape: [3, 2])) == [0, 3, 1, 2, 3, 0])
    }

    @Test func bordersAreSavedAndLoaded() throws {
        let task = task(bins: 5)
        try task.fit(to: values, on: alone)
        let other = self.task(bins: 5)
        try other.restore(task.state)
        #expect(other.bins == task.bins && other.bins?.count == 5)
        let message = failure { try self.task(bins: 6).restore(task.state) }
        #expect(message.contains("'borders' has shape [2, 4], but tasks.bins requires 6 bins of 2 features"))
        #expect(failure { try self.task(bins: 5).restore(ObjectiveState()) }.contains("borders"))
    }

    @Test func targetsBeforeTheFitAreABug() async {
        await #expect(processExitsWith: .failure) {
            let task = BinClassification(.init(), width: 3, features: 1, in: ParameterBuilder().root)
            _ = task.targets(Tensor([0], shape: [1, 1]))
        }
    }
}
