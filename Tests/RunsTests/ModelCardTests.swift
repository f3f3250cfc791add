import Configuration
import Objectives
import Runs
import Testing

@Suite struct ModelCardTests {
    private static let purposes: [ObjectiveOptions.Name: String] = [
        .mpmV1: "pre-trained by masked particle modelling (arXiv:2401.13537)",
        .mpmV2: "pre-trained by masked particle modelling (arXiv:2409.12589)",
        .vqvae: "a VQ-VAE that replaces the constituents of a jet by tokens",
        .setFlow: "a set-to-set flow matching model (arXiv:2409.12589), which generates jets",
        .nextToken: "pre-trained by predicting the next token of a jet (arXiv:2403.05618), which generates jets",
        .classification: "classifies jets",
        .cwola: "separates signal from background jets, trained without labels of single jets (arXiv:1708.02949)",
        .vertexing: "groups the tracks of a jet by their vertices",
        .trackOrigin: "classifies the origin of every track of a jet",
        .regression: "predicts a quantity of the jet",
    ]
    private static let kinds: [ObjectiveOptions.Name: String] = [
        .classification: "tabular-classification", .cwola: "tabular-classification",
        .trackOrigin: "tabular-classification", .regression: "tabular-regression",
    ]

    @Test(arguments: ObjectiveOptions.Name.allCases) func theModelIsNamed(objective: ObjectiveOptions.Name) throws {
        var configuration = try Configuration(yaml: "", name: "the test")
        for setting in KeyExplorer.minimalSettings(objective) { try configuration.override(setting) }
        let options = try RunOptions(configuration, name: "test")
        let text = ModelCard(of: options, part: .model, file: "model.safetensors").text
        let purpose = try #require(Self.purposes[objective])
        #expect(text.contains("\n# test\n\nA model of particle jets: \(purpose). Trained with kaon.\n"))
        let tags = text.split(separator: "\n").filter { $0.hasPrefix("pipeline_tag: ") }
        #expect(tags.map { $0.dropFirst("pipeline_tag: ".count) } == [Self.kinds[objective]].compactMap { $0?[...] })
    }

    /// What the user of a regression needs, and the selection of the jets.
    @Test func theTargetAndTheJetsAreNamed() throws {
        var configuration = try Configuration(yaml: "", name: "the test")
        let settings = ["regression.target=jets/num_csts", "data.classes=[QCD, top]", "data.jets=200"]
        for setting in KeyExplorer.minimalSettings(.regression) + settings { try configuration.override(setting) }
        func card() throws -> String {
            ModelCard(of: try RunOptions(configuration, name: "test"), part: .model, file: "model.safetensors").text
        }
        #expect(try card().contains("| target | `jets/num_csts` |\n"))
        #expect(try card().contains("predictions = model(csts, csts_id, mask=mask)          # as"))
        #expect(try card().contains("| selected by | `data.classes=[QCD, top]`, `data.jets=200` |\n"))
        try configuration.override("regression.relative_to=jets/pt")
        #expect(try card().contains("| target | `jets/num_csts`, relative to `jets/pt` |\n"))
        #expect(try card().contains("mask=mask, reference=reference)  # jets/pt of each jet"))
    }
}
