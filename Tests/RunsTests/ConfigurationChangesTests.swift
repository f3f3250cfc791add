import Configuration
import RunSupport
import Runs
import Testing

@Suite struct ConfigurationChangesTests {
    private let yaml = "{data: {train: [a.h5, b.h5]}, tasks: {kmeans: {}}}"

    @Test func equalConfigurationsDifferInNothing() throws {
        let configuration = try runOptions(yaml).configuration
        #expect(configuration.changes(to: configuration) == [])
    }

    @Test func changesAreNamedByTheirKeys() throws {
        let before = try runOptions(yaml, ["tasks.regression={}"]).configuration
        let after = try runOptions(
            yaml,
            [
                "training.steps=40", "model.encoder.layers=2", "data.train=[a.h5]",
                "optimizer.gradient_clip=null",
                "tasks.particle_id={weight: 2}",
            ]
        ).configuration
        #expect(
            Set(before.changes(to: after).map(\.description)) == [
                "training.steps: 1000000 → 40", "model.encoder.layers: 8 → 2",
                "data.train: [a.h5, b.h5] → [a.h5]",
                "optimizer.gradient_clip: 1.0 → null", "tasks.particle_id.weight: null → 2.0",
                "tasks.particle_id.label_smoothing: null → 0.1", "tasks.regression.weight: 1.0 → null",
                "tasks.regression.loss: l1 → null",
            ])
    }

    @Test func longListsAreFollowed() throws {
        let many = (0..<40).map { "data/part-\($0).h5" }.joined(separator: ", ")
        let before = try runOptions("{data: {train: [\(many)]}, tasks: {kmeans: {}}}").configuration
        let after = try runOptions("{data: {train: [\(many), last.h5]}, tasks: {kmeans: {}}}").configuration
        let changes = before.changes(to: after).map(\.description)
        #expect(changes.count == 1)
        #expect(changes.first?.hasPrefix("data.train: [data/part-0.h5, ") == true)
        #expect(changes.first?.hasSuffix("data/part-39.h5, last.h5]") == true)
    }
}
