// Talks to each model of MODELS through the official SDK, as an application does, and prints what came: a JSON line each.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

type object = map[string]any

var client = openai.NewClient(
	option.WithBaseURL(os.Getenv("BASE_URL")),
	option.WithAPIKey(os.Getenv("API_KEY")),
)

var weather = openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
	Name: "get_weather",
	Parameters: object{
		"type":       "object",
		"properties": object{"city": object{"type": "string"}},
		"required":   []string{"city"},
	},
})

var callWeather = openai.UserMessage("Please call get_weather.")

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func params(model string, messages ...openai.ChatCompletionMessageParamUnion) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{Model: model, Messages: messages}
}

func ask(asked openai.ChatCompletionNewParams) *openai.ChatCompletion {
	return must(client.Chat.Completions.New(context.Background(), asked))
}

func accumulate(asked openai.ChatCompletionNewParams) (openai.ChatCompletion, int) {
	accumulator := openai.ChatCompletionAccumulator{}
	pieces := 0
	stream := client.Chat.Completions.NewStreaming(context.Background(), asked)
	for stream.Next() {
		chunk := stream.Current()
		if len(chunk.Choices) > 0 && chunk.Choices[0].Delta.Content != "" {
			pieces++
		}
		if !accumulator.AddChunk(chunk) {
			must(0, errors.New("the chunks are not of one stream"))
		}
	}
	must(0, stream.Err())
	return accumulator.ChatCompletion, pieces
}

func summary(completion openai.ChatCompletion) object {
	choice := completion.Choices[0]
	return object{
		"text":   choice.Message.Content,
		"end":    choice.FinishReason,
		"tokens": completion.Usage.TotalTokens,
	}
}

func callsOf(completion openai.ChatCompletion) [][]any {
	calls := [][]any{}
	for _, call := range completion.Choices[0].Message.ToolCalls {
		arguments := object{}
		must(0, json.Unmarshal([]byte(call.Function.Arguments), &arguments))
		calls = append(calls, []any{call.Function.Name, arguments})
	}
	return calls
}

func stream(model string) object {
	asked := params(model, openai.UserMessage("Say hello."))
	asked.StreamOptions.IncludeUsage = openai.Bool(true)
	completion, pieces := accumulate(asked)
	came := summary(completion)
	came["many"] = pieces > 1
	return came
}

func tools(model string) object {
	asked := params(model, callWeather)
	asked.Tools = []openai.ChatCompletionToolUnionParam{weather}
	first := ask(asked)
	asked.Messages = append(asked.Messages, first.Choices[0].Message.ToParam())
	for _, call := range first.Choices[0].Message.ToolCalls {
		asked.Messages = append(asked.Messages, openai.ToolMessage("18 degrees", call.ID))
	}
	return object{"calls": callsOf(*first), "text": ask(asked).Choices[0].Message.Content}
}

func streamedTools(model string) [][]any {
	asked := params(model, callWeather)
	asked.Tools = []openai.ChatCompletionToolUnionParam{weather}
	completion, _ := accumulate(asked)
	return callsOf(completion)
}

func structured(model string) object {
	asked := params(model, openai.UserMessage("Who was first?"))
	asked.ResponseFormat.OfJSONSchema = &openai.ResponseFormatJSONSchemaParam{
		JSONSchema: openai.ResponseFormatJSONSchemaJSONSchemaParam{
			Name:   "person",
			Strict: openai.Bool(true),
			Schema: object{
				"type":                 "object",
				"properties":           object{"name": object{"type": "string"}, "age": object{"type": "integer"}},
				"required":             []string{"name", "age"},
				"additionalProperties": false,
			},
		},
	}
	person := object{}
	must(0, json.Unmarshal([]byte(ask(asked).Choices[0].Message.Content), &person))
	return person
}

func vision(model string) string {
	asked := params(model, openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{
		openai.TextContentPart("What is this?"),
		openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: os.Getenv("IMAGE")}),
	}))
	return ask(asked).Choices[0].Message.Content
}

func refusal() []any {
	_, err := client.Chat.Completions.New(context.Background(), params("no-such-model", callWeather))
	var refused *openai.Error
	if !errors.As(err, &refused) {
		must(0, fmt.Errorf("no refusal, but %v", err))
	}
	return []any{refused.StatusCode, refused.Type}
}

func main() {
	for _, model := range strings.Fields(os.Getenv("MODELS")) {
		came := object{
			"chat":          summary(*ask(params(model, openai.UserMessage("Say hello.")))),
			"stream":        stream(model),
			"tools":         tools(model),
			"streamedTools": streamedTools(model),
			"structured":    structured(model),
			"vision":        vision(model),
			"error":         refusal(),
		}
		fmt.Println(string(must(json.Marshal(came))))
	}
}
