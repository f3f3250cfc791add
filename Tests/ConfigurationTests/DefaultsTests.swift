import Configuration
import Foundation
import Testing

/// Configuration files that build on others.
@Suite struct DefaultsTests {
    /// Writes files into a folder, which exists during `body`.
    private func withFiles(_ files: [String: String], _ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("kaon-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for (name, text) in files {
            let path = "\(folder)/\(name)"
            let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
            try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
            try text.write(toFile: path, atomically: true, encoding: .utf8)
        }
        try body(folder)
    }

    /// Sections are merged key by key, the last value wins, and nothing else is.
    @Test func filesAreMergedInTheirOrder() throws {
        try withFiles([
            "one.yaml": "seed: 1\ndata: {train: [a.h5, b.h5], shuffle: true}\nmodel: {encoder: {width: 8, layers: 2}}",
            "two.yaml": "seed: 2\ntraining: {steps: 5}\nmodel: {encoder: {layers: 3}}",
            "x.yaml": "defaults: [one.yaml, two.yaml]\ndata: {train: [c.h5]}\ntraining: {log_interval: 1}",
        ]) { folder in
            let configuration = try Configuration(contentsOf: folder + "/x.yaml")
            #expect(
                configuration.settings.map { "\($0.key)=\($0.value)" } == [
                    "seed=2", "data.train=[c.h5]", "data.shuffle=true", "model.encoder.width=8",
                    "model.encoder.layers=3", "training.steps=5", "training.log_interval=1",
                ])
            #expect(!configuration.yaml.contains("defaults") && configuration.name == folder + "/x.yaml")
        }
    }

    /// Paths are relative to the folder of the file that names them; a single file needs no list.
    @Test func filesBuildOnFilesInOtherFolders() throws {
        try withFiles([
            "base.yaml": "seed: 1\na: 1", "site/cluster.yaml": "defaults: ../base.yaml\na: 2\nb: 2",
            "runs/x.yaml": "defaults: [../site/cluster.yaml, ../base.yaml]\nb: 3",
        ]) { folder in
            let configuration = try Configuration(contentsOf: folder + "/runs/x.yaml")
            // The base is merged again after the cluster.
            #expect(configuration.settings.map { "\($0.key)=\($0.value)" } == ["seed=1", "a=1", "b=3"])
        }
    }

    @Test func keysAreRemoved() throws {
        try withFiles([
            "base.yaml": "tasks: {kmeans: {clusters: 3}, regression: {}}\nschedule: {name: constant, half_life: 3}",
            "x.yaml": "defaults: [base.yaml]\ntasks: {~kmeans: , regression: {weight: 2}}\n~schedule:",
            "wrong.yaml": "defaults: [base.yaml]\ntasks:\n  ~kmean:\n",
            "value.yaml": "defaults: [base.yaml]\n~tasks: {}",
        ]) { folder in
            let configuration = try Configuration(contentsOf: folder + "/x.yaml")
            #expect(configuration.settings.map { "\($0.key)=\($0.value)" } == ["tasks.regression.weight=2"])
            #expect(
                complaint { _ = try Configuration(contentsOf: folder + "/wrong.yaml") }
                    == "\(folder)/wrong.yaml:3: ~kmean: the files before have no such key to remove; did you mean "
                    + "'kmeans'?")
            #expect(
                complaint { _ = try Configuration(contentsOf: folder + "/value.yaml") }
                    == "\(folder)/value.yaml:2: ~tasks: removes the key and takes no value, found a section")
        }
    }

    /// A key of a choice that the file or the command line replaces is an error that says how to remove it; a
    /// misspelt one is not to be removed.
    @Test func keysOfAReplacedChoice() throws {
        func found(_ path: String, _ override: String? = nil) -> String? {
            complaint {
                var configuration = try Configuration(contentsOf: path)
                if let override { try configuration.override(override) }
                let root = configuration.section()
                _ = try root.section("schedule").string("name")
                try root.finish()
            }
        }
        try withFiles([
            "base.yaml": "schedule: {name: warmup, half_life: 3}",
            "x.yaml": "defaults: [base.yaml]\nschedule: {name: constant}",
            "own.yaml": "defaults: [base.yaml]\nschedule: {~half_life: , steps: 3}",
            "typo.yaml": "defaults: [base.yaml]\nschedule: {nmae: constant, ~half_life: }",
        ]) { folder in
            let unknown = "schedule.half_life: unknown key; known keys: name"
            #expect(
                found(folder + "/x.yaml")
                    == "\(folder)/base.yaml:1: \(unknown); '~half_life:' in this section of \(folder)/x.yaml removes it"
            )
            #expect(found(folder + "/base.yaml") == "\(folder)/base.yaml:1: \(unknown)")
            #expect(
                found(folder + "/base.yaml", "schedule.name=constant")
                    == "\(folder)/base.yaml:1: \(unknown); '~schedule.half_life' removes it")
            #expect(
                found(folder + "/own.yaml") == "\(folder)/own.yaml:2: schedule.steps: unknown key; known keys: name")
            #expect(
                found(folder + "/typo.yaml")
                    == "\(folder)/typo.yaml:2: schedule.nmae: unknown key; did you mean 'name'?")
            // The misspelt key of the command line itself has no such hint, the key of the file has.
            #expect(
                found(folder + "/base.yaml", "schedule.depth=1")
                    == "\(folder)/base.yaml:1: \(unknown); '~schedule.half_life' removes it\n"
                    + "on the command line: schedule.depth: unknown key; known keys: name")
        }
    }

    /// Errors name the file and the line in which the value is written.
    @Test func errorsNameTheRightFile() throws {
        try withFiles([
            "base.yaml": "seed: 1\ntraining:\n  steps: many\n  widht: 3",
            "x.yaml": "defaults: [base.yaml]\ntraining:\n  batch_size: few\n",
        ]) { folder in
            let training = try Configuration(contentsOf: folder + "/x.yaml").section().section("training")
            #expect(
                complaint { _ = try training.int("steps") }
                    == "\(folder)/base.yaml:3: training.steps: expected an integer, found the string 'many'")
            #expect(
                complaint { _ = try training.int("batch_size") }
                    == "\(folder)/x.yaml:3: training.batch_size: expected an integer, found the string 'few'")
            let unknown = complaint { try training.finish() }
            #expect(unknown.contains("\(folder)/base.yaml:4: training.widht: unknown key"), "\(unknown)")
        }
    }

    @Test func circlesAreRefused() throws {
        try withFiles([
            "a.yaml": "defaults: [sub/b.yaml]", "sub/b.yaml": "\ndefaults: [../a.yaml]",
            "self.yaml": "defaults: [./sub/../self.yaml]",
        ]) { folder in
            #expect(
                complaint { _ = try Configuration(contentsOf: folder + "/a.yaml") }
                    == "\(folder)/sub/b.yaml:2: defaults: the files build on each other in a circle: "
                    + "\(folder)/a.yaml → \(folder)/sub/b.yaml → \(folder)/a.yaml")
            #expect(complaint { _ = try Configuration(contentsOf: folder + "/self.yaml") }.contains("in a circle"))
        }
    }

    @Test(arguments: [
        ("defaults: [nowhere.yaml]", "defaults: there is no file FOLDER/nowhere.yaml"),
        ("defaults: {a: 1}", "defaults: expected a list of files, found a section"),
        ("defaults:", "defaults: expected a list of files, found null"),
        ("defaults: [1]", "defaults: item 1: expected a string, found the integer 1"),
        ("defaults: ['$KAON_UNSET/x.yaml']", "the environment variable 'KAON_UNSET'"),
    ])
    func otherDefaultsAreRefused(text: String, message: String) throws {
        try withFiles(["x.yaml": "seed: 1\n" + text]) { folder in
            let found = complaint { _ = try Configuration(contentsOf: folder + "/x.yaml") }
            #expect(found.hasPrefix("\(folder)/x.yaml:2: "))
            #expect(found.contains(message.replacing("FOLDER", with: folder)), "\(found)")
        }
    }

    @Test func aBaseWithErrorsIsNamed() throws {
        try withFiles(["base.yaml": "a: [1", "x.yaml": "defaults: [base.yaml]"]) { folder in
            #expect(
                complaint { _ = try Configuration(contentsOf: folder + "/x.yaml") }.hasPrefix("\(folder)/base.yaml:"))
        }
    }

    /// Files that name each other twice do not take exponential time.
    @Test func manyFilesAreRefused() throws {
        var files = ["f0.yaml": "seed: 1"]
        for i in 1...12 { files["f\(i).yaml"] = "defaults: [f\(i - 1).yaml, f\(i - 1).yaml]" }
        try withFiles(files) { folder in
            #expect(
                complaint { _ = try Configuration(contentsOf: folder + "/f12.yaml") }
                    .hasSuffix("defaults: the configuration consists of more than 100 files"))
        }
    }

    @Test func theKeyHasNoEffectOnTheCommandLine() {
        #expect(
            complaint { _ = try section("a: 1", "defaults=[b.yaml]") }
                == "on the command line: defaults: is a key of files; it has no effect here")
        #expect(complaint { try section("defaults: [b.yaml]").finish() }.contains("unknown key"))
    }
}
