import Foundation
import Testing

@Suite(.serialized) struct BenchTests {
    private let tiny = [
        "model.encoder={width: 16, layers: 1, heads: 2}", "model.decoder={width: 16, layers: 1, heads: 2}",
        "tasks.kmeans.clusters=16", "training.batch_size=16", "training.micro_batch_size=8",
        "parallel.threads=1",
    ]

    @Test(arguments: [nil, 2])
    func measuresATinyModel(ranks: Int?) throws {
        try withScratchFolder { folder in
            let path = folder + "/bench.json"
            let outcome = try kaon(["bench"] + tiny + ["--seconds", "0.2", "--json", path], ranks: ranks)
            #expect(outcome.code == 0, "\(outcome.errors)")
            let json = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path)))
            var texts = try #require(json as? [String: Any])
            #expect(texts.removeValue(forKey: "precision") as? String == "fp32")
            let figures = try #require(texts as? [String: Double])
            let communication = ["exposed_communication_ms", "communication_ms"]
            #expect(
                Set(figures.keys)
                    == Set(
                        [
                            "peak_gflops", "product_gflops", "gemm_gflops", "model_gflops", "efficiency",
                            "jets_per_second", "peak_memory_mib",
                            "threads", "ranks", "groups", "update_ms", "last_backward_ms", "jets_per_step",
                            "micro_batch_size", "parameters", "tensor_memory_mib",
                        ] + (ranks == nil ? [] : communication)))
            #expect(figures.values.allSatisfy { $0.isFinite && $0 > 0 })
            #expect(figures["ranks"] == Double(ranks ?? 1) && figures["threads"] == 1 && figures["groups"] == 1)
            #expect(figures["micro_batch_size"] == 8)
            let parameters = Int(try #require(figures["parameters"]))
            #expect(outcome.output.contains("; \(parameters) parameters, "))
            // A part of the step: forward pass and earlier micro-batches take the rest.
            let jets = try #require(figures["jets_per_step"])
            let rate = try #require(figures["jets_per_second"])
            #expect(try #require(figures["last_backward_ms"]) < 1000 * jets / rate)
            let (model, peak) = (try #require(figures["model_gflops"]), try #require(figures["peak_gflops"]))
            #expect(abs(try #require(figures["efficiency"]) - model / peak) < 1e-6)
            #expect(model < peak)
            // The terminal shows the same figures.
            for key in figures.keys { #expect(outcome.output.contains("\n\(key) ")) }
        }
    }

    @Test(arguments: [nil, 2])
    func measuresSmallSharesOfARank(ranks: Int?) throws {
        try withScratchFolder { folder in
            let path = folder + "/scaling.json"
            let outcome = try kaon(["bench", "--scaling"] + tiny + ["--seconds", "0.1", "--json", path], ranks: ranks)
            #expect(outcome.code == 0, "\(outcome.errors)")
            let json = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path)))
            let reports = try #require(json as? [[String: Any]])
            let steps = [1, 2, 4, 8, 16, 32, 64].map { $0 * (ranks ?? 1) }
            #expect(reports.map { $0["jets_per_step"] as? Int } == steps)
            #expect(reports.allSatisfy { ($0["update_ms"] as? Double ?? 0) > 0 })
            #expect(outcome.output.contains("\njets_per_step  jets_per_rank  jets_per_second  "))
            for step in steps { #expect(outcome.output.contains("\n\(step) ")) }
        }
    }

    @Test(arguments: [nil, 2])
    func measuresTheProductsOfAModel(ranks: Int?) throws {
        try withScratchFolder { folder in
            let path = folder + "/products.json"
            let outcome = try kaon(["bench", "--products"] + tiny + ["--seconds", "1", "--json", path], ranks: ranks)
            #expect(outcome.code == 0, "\(outcome.errors)")
            let json = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path)))
            let rows = try #require(json as? [[String: Any]])
            // The queries, keys and values of a block; tokens of eight jets.
            let blocks = rows.filter { $0["inputs"] as? Int == 16 && $0["outputs"] as? Int == 48 }
            #expect(blocks.contains { $0["kernel"] as? String == "openblas" })
            #expect(blocks.allSatisfy { $0["maps"] as? Int == 2 && abs(($0["tokens"] as? Int ?? 0) - 320) < 40 })
            for product in ["forward", "input_gradient", "weight_gradient"] {
                #expect(rows.allSatisfy { ($0[product] as? Double ?? 0) > 0 })
            }
            #expect(outcome.output.contains("\ntokens  inputs  outputs  maps  kernel"))
        }
        let outcome = try kaon(["bench", "--products", "--scaling"] + tiny)
        #expect(outcome.code != 0 && outcome.errors.contains("leave --scaling out"))
    }

    /// Sets of several sizes, the largest of which are computed in tiles.
    @Test(arguments: [nil, 2])
    func measuresLongSets(ranks: Int?) throws {
        try withScratchFolder { folder in
            let path = folder + "/constituents.json"
            let outcome = try kaon(
                ["bench", "--constituents", "300"] + tiny + ["--seconds", "0.1", "--json", path], ranks: ranks)
            #expect(outcome.code == 0, "\(outcome.errors)")
            let json = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path)))
            let reports = try #require(json as? [[String: Any]])
            #expect(reports.map { $0["constituents"] as? Int } == [38, 75, 150, 300])
            #expect(reports.map { $0["jets_per_step"] as? Int } == (ranks == nil ? [16, 8, 8, 8] : [16, 16, 16, 16]))
            #expect(reports.allSatisfy { ($0["constituents_per_second"] as? Double ?? 0) > 0 })
            #expect(reports.allSatisfy { ($0["tensor_memory_mib"] as? Double ?? 0) > 0 })
            #expect(outcome.output.contains("\nconstituents  sets_per_step  constituents_per_second  "))
            for count in [38, 75, 150, 300] { #expect(outcome.output.contains("\n\(count) ")) }
        }
    }

    @Test(arguments: [
        (["--constituents", "16385"], "--constituents must be from 1 to 16384, found 16385"),
        (["--constituents", "100", "--scaling"], "--constituents measures sets of several sizes; leave --scaling out"),
    ])
    func constituentsAreChecked(arguments: [String], sentence: String) throws {
        let outcome = try kaon(["bench"] + arguments)
        #expect(outcome.code != 0)
        #expect(outcome.errors.contains(sentence))
    }

    @Test func aConfigurationMayBeGiven() throws {
        try withScratchFolder { folder in
            let run = try TinyRun(in: folder)
            let outcome = try kaon([
                "bench", folder + "/tiny.yaml", "training.batch_size=24", "--seconds", "0.1",
            ])
            #expect(outcome.code == 0)
            #expect(outcome.output.contains(" 24 jets per step in micro-batches of 8\n"))
            #expect(!FileManager.default.fileExists(atPath: run.directory))
        }
    }

    @Test(arguments: [nil, 2])
    func measuresTheReadingOfData(ranks: Int?) throws {
        try withScratchFolder { folder in
            _ = try TinyRun(in: folder)
            let outcome = try kaon(
                ["bench", "--data", folder + "/tiny.yaml", "--seconds", "0.2", "data.jets=500"], ranks: ranks)
            #expect(outcome.code == 0, "\(outcome.errors)")
            let lines = outcome.output.split(separator: "\n").map(String.init)
            #expect(lines.first?.hasPrefix("500 jets in 1 file, opened in ") == true)
            #expect(
                lines.dropFirst(2).map { $0.prefix(3) }
                    == (ranks == nil ? ["0  "] : ["0  ", "1  ", "all"]).map { $0[...] })
        }
    }

    /// As in training: those of the samples of weak supervision, not all.
    @Test func readsTheJetsThatTheObjectiveChooses() throws {
        try withScratchFolder { folder in
            _ = try TinyRun(in: folder)
            let outcome = try kaon([
                "bench", "--data", folder + "/tiny.yaml", "--seconds", "0.2", "objective=cwola", "~tasks",
                "~model.decoder", "backbone_mode=scratch",
                "cwola={background: [QCD], signal: [Tbqq], background_jets: 60, signal_jets: 20}",
            ])
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(outcome.output.hasPrefix("80 jets in 1 file, opened in "), "\(outcome.output)")
        }
    }

    @Test func whatIsWrongIsNamed() throws {
        let misspelt = try kaon(["bench", "training.batchsize=4"])
        #expect(misspelt.code == 1)
        #expect(
            misspelt.complaints == [
                "Error: on the command line: training.batchsize: unknown key; did you mean 'batch_size'?"
            ])
        let unwritable = try kaon(["bench"] + tiny + ["--seconds", "0.1", "--json", "/proc/no/bench.json"])
        #expect(unwritable.code == 1)
        #expect(
            unwritable.complaints == [
                "Error: cannot write /proc/no/bench.json: cannot create the folder /proc/no: /proc holds files of the "
                    + "kernel alone"
            ])
        try withScratchFolder { folder in
            let path = folder + "/model.yaml"
            try "precious".write(toFile: path, atomically: true, encoding: .utf8)
            let refused = try kaon(["bench"] + tiny + ["--json", path])
            #expect(
                refused.complaints == [
                    "Error: \(path) already exists; choose another name, or --force to replace it"
                ])
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "precious")
            #expect(try kaon(["bench"] + tiny + ["--seconds", "0.1", "--json", path, "--force"]).code == 0)
            let new = folder + "/new/bench.json"
            #expect(try kaon(["bench"] + tiny + ["--seconds", "0.1", "--json", new]).code == 0)
            #expect(FileManager.default.fileExists(atPath: new))
        }
    }
}
